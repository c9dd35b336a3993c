"""One program and its tests, each in a sandbox of its own: who hears what, and how it ends.

The process that runs a program is never asked for a verdict. It computes what tests ask of it, which run in
another process and nothing of the program with them; this one passes lines on and believes the tests alone.
"""

import contextlib
import json
import os
import select
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, cast

from pipelines.domain.errors import WorkerError
from pipelines.domain.values import JsonObject, JsonValue
from pipelines.evaluation.sandbox import Limits, SandboxKind, order, start

_START_SECONDS = 30.0
_GRACE_SECONDS = 3.0
_MOST_SAID_BYTES = 64 << 20
_OWN_VERDICT = "wrote a verdict of its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a program; `sandbox` is where it ran."""

    passed: bool
    reason: str
    sandbox: SandboxKind


class UnstartedError(WorkerError):
    """The sandbox itself did not start; nothing is known of the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is run: the first of `programs` that compiles, and `tests` that see its names as their own.

    `prelude` is what the suite itself defines above the `entry_point`: to tests its functions are the
    suite's, whatever a program makes of their names.
    """

    programs: Sequence[str]
    tests: str
    entry_point: str = ""
    prelude: str = ""


def run_program(kind: SandboxKind, trial: Trial, limits: Limits) -> Outcome:
    """Run a program and its tests; one whose process ends without a word is run once more.

    It may have been killed from outside, by a kernel that is short of memory. What it does itself it does
    again.

    Raises:
        UnstartedError: where a sandbox did not start.
    """
    return _run(kind, trial, limits) or _run(kind, trial, limits) or _without_a_word(kind)


def _run(kind: SandboxKind, trial: Trial, limits: Limits) -> Outcome | None:
    """Return what became of a program, None where its process ended before anything was known of it."""
    talks = [_Talk(child=start(kind, limits)) for _ in range(2)]
    program, tests = talks
    try:
        program.send(json.dumps(order(limits, list(trial.programs))))
        tests.send(json.dumps(order(limits)))
        for talk in talks:
            _require_ready(talk, kind)
        said = _said(program, tests, trial, time.monotonic() + limits.seconds)
    finally:
        for talk in talks:
            _end(talk.child)
    if program.late or tests.late:
        reason = f"ran out of time ({limits.seconds:g} s)"
        return Outcome(passed=False, reason=reason, sandbox=kind)
    return None if said is None else _outcome(said, kind)


def _require_ready(talk: "_Talk", kind: SandboxKind) -> None:
    if _value(talk.hear(time.monotonic() + _START_SECONDS)) != {"state": "ready"}:
        raise UnstartedError(
            f"sandbox {kind} did not start: {_last_words(talk.child)}", where="code"
        )


def _said(program: "_Talk", tests: "_Talk", trial: Trial, deadline: float) -> JsonObject | None:
    """Return the last word on the program; None where there is none."""
    loaded = program.hear(deadline)
    if loaded is None:
        return None
    told = _value(loaded)
    if not isinstance(told, dict) or told.get("state") != "loaded":
        return _failure(told)
    question = {
        "tests": trial.tests,
        "names": [str(name) for name in _listed(told.get("names"))],
        "entry_point": trial.entry_point,
        "prelude": trial.prelude,
    }
    tests.send(json.dumps(question))
    while (asked := tests.hear(deadline)) is not None:
        if asked.startswith(b'{"state"'):  # no foreign code runs where this was said
            return cast("JsonObject", _value(asked))
        program.pass_on(asked)
        replied = program.hear(deadline)
        if replied is None:
            return None
        tests.pass_on(replied)
    return None


def _failure(told: JsonValue) -> JsonObject:
    what = told.get("what") if isinstance(told, dict) and told.get("state") == "failed" else None
    return {"state": "failed", "what": str(what or _OWN_VERDICT)[:300]}


def _without_a_word(kind: SandboxKind) -> Outcome:
    reason = "ended the process before the tests were through"
    return Outcome(passed=False, reason=reason, sandbox=kind)


def _outcome(said: JsonObject, kind: SandboxKind) -> Outcome:
    passed = said == {"state": "passed"}
    reason = "passed the tests" if passed else str(said.get("what"))[:300]
    return Outcome(passed=passed, reason=reason, sandbox=kind)


def _listed(value: JsonValue) -> list[JsonValue]:
    return list(value) if isinstance(value, list) else []


def _value(line: bytes | None) -> JsonValue:
    try:
        value: JsonValue = json.loads(line or b"null")
    except (ValueError, RecursionError):
        return None
    return value


@dataclass(slots=True, kw_only=True)
class _Talk:
    """Lines to and from a process that may neither read, nor end, nor stop talking."""

    child: "subprocess.Popen[bytes]"
    late: bool = False
    _unsent: bytes = b""
    _unread: bytes = b""
    _said_bytes: int = field(default=0)

    def send(self, line: str) -> None:
        self.pass_on(line.encode())

    def pass_on(self, line: bytes) -> None:
        self._unsent += line + b"\n"

    def hear(self, deadline: float) -> bytes | None:
        """Return the next line; None at its end, at the deadline, or where it says too much."""
        reader, writer = _pipe(self.child.stdout), _pipe(self.child.stdin)
        while b"\n" not in self._unread:
            if self._unsent:
                self._write(writer)
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                self.late = True
                return None
            waiting = [writer] if self._unsent else []
            ready, _, _ = select.select([reader], waiting, [], min(remaining, 0.5))
            if ready and not self._read(reader):
                return None
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _write(self, writer: int) -> None:
        os.set_blocking(writer, False)
        try:
            self._unsent = self._unsent[os.write(writer, self._unsent) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent = b""

    def _read(self, reader: int) -> bool:
        chunk = os.read(reader, 1 << 16)
        self._unread += chunk
        self._said_bytes += len(chunk)
        return bool(chunk) and self._said_bytes <= _MOST_SAID_BYTES


def _pipe(stream: "IO[bytes] | None") -> int:
    assert stream is not None
    return stream.fileno()


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End the whole tree: what holds the sandbox kills it, or dies and takes it along."""
    for ask in (child.terminate, child.kill):
        if child.poll() is None:
            ask()
        try:
            child.wait(timeout=_GRACE_SECONDS)
            break
        except subprocess.TimeoutExpired:
            continue
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def _last_words(child: "subprocess.Popen[bytes]") -> str:
    """The last line on standard error, once the process has been told to end."""
    child.terminate()
    assert child.stderr is not None
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=_GRACE_SECONDS)
    os.set_blocking(child.stderr.fileno(), False)
    lines = (child.stderr.read() or b"").decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
