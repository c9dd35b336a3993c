"""One call of a suite's own function in a sandbox, for a tool that computes what it answers."""

import contextlib
import json
import subprocess
import time
from dataclasses import dataclass

from pipelines.domain.errors import WorkerError
from pipelines.domain.values import JsonObject, JsonValue
from pipelines.evaluation.sandbox import Limits, SandboxKind, order, start

_START_SECONDS = 30.0
_GRACE_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionQuestion:
    """A function of a file's text, what it is called with, and the longest text it may return."""

    source: str
    name: str
    arguments: JsonObject
    characters: int


def run_function(kind: SandboxKind, question: FunctionQuestion, limits: Limits) -> str:
    """Return what the function returned as text, or, where it raised or ran too long, its error as JSON.

    One whose process ends early and without a word is called once more: it may have been killed from outside.

    Raises:
        WorkerError: where the sandbox did not start.
    """
    began = time.monotonic()
    reply = _reply(kind, question, limits)
    if not reply and time.monotonic() - began < limits.seconds:
        reply = _reply(kind, question, limits)
    if reply.get("state") == "value":
        return str(reply.get("value"))
    what = reply.get("what") or f"no result within {limits.seconds:g} s"
    return json.dumps({"error": f"{question.name}: {what}"}, ensure_ascii=False)


def _reply(kind: SandboxKind, question: FunctionQuestion, limits: Limits) -> JsonObject:
    """Return what the inside said after it was ready; empty where that is nothing.

    Raises:
        WorkerError: where it never was.
    """
    call = {
        "name": question.name,
        "arguments": question.arguments,
        "characters": question.characters,
        "seconds": limits.seconds,
    }
    sent = json.dumps({**order(limits, [question.source]), "call": call}) + "\n"
    child = start(kind, limits)
    try:
        said, errors = child.communicate(sent.encode(), timeout=_START_SECONDS + limits.seconds)
    except subprocess.TimeoutExpired:
        said, errors = _ended(child)
    lines = [_object(line) for line in said.splitlines()]
    if not lines or lines[0].get("state") != "ready":
        words = errors.decode(errors="replace").strip().splitlines()
        raise WorkerError(
            f"sandbox {kind} did not start: {words[-1] if words else 'it said nothing'}",
            where=question.name,
        )
    return lines[1] if len(lines) > 1 else {}


def _ended(child: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """End the whole tree (what holds the sandbox takes it along) and return what it said until then."""
    for end in (child.terminate, child.kill):
        end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.communicate(timeout=_GRACE_SECONDS)
    return b"", b""


def _object(line: bytes) -> JsonObject:
    try:
        value: JsonValue = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
