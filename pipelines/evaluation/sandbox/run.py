"""One program and its tests, each in a sandbox of its own: who hears what, and how it ends.

The process that runs a program is never asked for a verdict. It computes what tests ask of it, which run in
another process and nothing of the program with them; this one passes lines on and believes the tests alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.sandbox.clock import SandboxClock
from quantgate.pipelines.evaluation.sandbox.kinds import SandboxKind, SandboxLimits, order, start
from quantgate.pipelines.evaluation.sandbox.talk import Talk

_OWN_VERDICT = "wrote a verdict of its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a program; `sandbox` is where it ran."""

    passed: bool
    reason: str
    sandbox: SandboxKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramUnderTest:
    """What is run: the first of `programs` that compiles, and `tests` that see its names as their own.

    `prelude` is what the suite itself defines above the `entry_point`: to tests its functions are the
    suite's, whatever a program makes of their names.
    """

    programs: Sequence[str]
    tests: str
    entry_point: str = ""
    prelude: str = ""


def run_program(kind: SandboxKind, tested: ProgramUnderTest, limits: SandboxLimits) -> Outcome:
    """Run a program and its tests; one whose process ends without a word is run once more.

    It may have been killed from outside, by a kernel that is short of memory. What it does itself it does
    again.

    Raises:
        UnstartedError: where a sandbox did not start.
        BusyError: where the machine has no time for them.
    """
    return _run(kind, tested, limits) or _run(kind, tested, limits) or _without_a_word(kind)


def _run(kind: SandboxKind, tested: ProgramUnderTest, limits: SandboxLimits) -> Outcome | None:
    """Return what became of a program, None where its process ended before anything was known of it."""
    talks = [Talk(child=start(kind, limits)) for _ in range(2)]
    program, tests = talks
    try:
        program.send(json.dumps(order(limits, "program", programs=list(tested.programs))))
        tests.send(json.dumps(order(limits, "tests")))
        for talk in talks:
            talk.require_ready(kind, "code")
        clock = SandboxClock([talk.child.pid for talk in talks], limits.seconds)
        said = _said(program, tests, tested, clock)
        late = program.late or tests.late or (said is None and clock.ended_late())
    finally:
        for talk in talks:
            talk.end()
    if late:
        reason = f"ran out of time ({limits.seconds:g} s)"
        return Outcome(passed=False, reason=reason, sandbox=kind)
    return None if said is None else _outcome(said, kind)


def _said(
    program: Talk, tests: Talk, tested: ProgramUnderTest, clock: SandboxClock
) -> JsonObject | None:
    """Return the last word on the program; None where there is none."""
    loaded = program.hear(clock)
    if loaded is None:
        return None
    report = _value(loaded)
    if not isinstance(report, dict) or report.get("state") != "loaded":
        return _failure(report)
    question = {
        "tests": tested.tests,
        "names": [str(name) for name in _listed(report.get("names"))],
        "entry_point": tested.entry_point,
        "prelude": tested.prelude,
    }
    tests.send(json.dumps(question))
    while (asked := tests.hear(clock)) is not None:
        if asked.startswith(b'{"state"'):  # no foreign code runs where this was said
            return cast("JsonObject", _value(asked))
        program.pass_on(asked)
        replied = program.hear(clock)
        if replied is None:
            return None
        tests.pass_on(replied)
    return None


def _failure(report: JsonValue) -> JsonObject:
    what = (
        report.get("what") if isinstance(report, dict) and report.get("state") == "failed" else None
    )
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
