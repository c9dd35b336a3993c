"""One call of a suite's own function in a sandbox, for a tool that computes what it answers."""

import json
from dataclasses import dataclass

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.sandbox.clock import SandboxClock
from quantgate.pipelines.evaluation.sandbox.kinds import SandboxKind, SandboxLimits, order, start
from quantgate.pipelines.evaluation.sandbox.talk import Talk


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionQuestion:
    """A function of a file's text, what it is called with, and the longest text it may return."""

    source: str
    name: str
    arguments: JsonObject
    characters: int


def run_function(kind: SandboxKind, question: FunctionQuestion, limits: SandboxLimits) -> str:
    """Return what the function returned as text, or, where it raised or ran too long, its error as JSON.

    One whose process ends early and without a word is called once more: it may have been killed from outside.

    Raises:
        UnstartedError: where the sandbox did not start.
        BusyError: where the machine has no time for it.
    """
    reply = _reply(kind, question, limits) or _reply(kind, question, limits)
    if reply.get("state") == "value":
        return str(reply.get("value"))
    what = reply.get("what") or "ended without a result"
    return json.dumps({"error": f"{question.name}: {what}"}, ensure_ascii=False)


def _reply(kind: SandboxKind, question: FunctionQuestion, limits: SandboxLimits) -> JsonObject:
    """Return what the inside said of its result; empty where it ended without a word."""
    call: JsonObject = {
        "name": question.name,
        "arguments": question.arguments,
        "characters": question.characters,
    }
    talk = Talk(child=start(kind, limits))
    try:
        talk.send(json.dumps(order(limits, "function", source=question.source, call=call)))
        talk.require_ready(kind, question.name)
        clock = SandboxClock([talk.child.pid], limits.seconds)
        said = talk.hear(clock)
        late = talk.late or (said is None and clock.ended_late())
    finally:
        talk.end()
    if late:
        return {"state": "failed", "what": f"no result within {limits.seconds:g} s"}
    return _object(said or b"")


def _object(line: bytes) -> JsonObject:
    try:
        value: JsonValue = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
