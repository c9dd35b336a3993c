"""Checks made after the suite was run: answers that never end, run on, or go round in circles."""

from dataclasses import dataclass

from pipelines.domain.audit import AuditFinding
from pipelines.domain.run import Answer, Run

_LOOP_PERIODS = range(1, 9)
_LOOP_REPEATS = 6
"""A tail that repeats a block of up to eight tokens six times is a degenerate loop."""

_MOST_VERBOSE = 1.5
_MORE_OFTEN = 0.02
"""Truncations and loops may exceed the reference's by two percent of the items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a run's answers behave, apart from being right: mean tokens and two counts."""

    items: int
    mean_tokens: float
    truncated: int
    loops: int


def behaviour(run: Run) -> Behaviour:
    """Summarize a run's answers."""
    answers = [graded.answer for graded in run.answers]
    return Behaviour(
        items=len(answers),
        mean_tokens=sum(a.length_tokens for a in answers) / max(1, len(answers)),
        truncated=sum(a.finish_reason != "stop" for a in answers),
        loops=sum(loops(a) for a in answers),
    )


def loops(answer: Answer) -> bool:
    """Whether an answer that ran into its limit ends in a short block of tokens repeated over and over.

    Where its token ids are unknown, words stand for them.
    """
    if answer.finish_reason != "length":
        return False
    ids: tuple[object, ...] = answer.token_ids or tuple(answer.text.split())
    return any(
        len(ids) >= period * _LOOP_REPEATS
        and ids[-period * _LOOP_REPEATS :] == ids[-period:] * _LOOP_REPEATS
        for period in _LOOP_PERIODS
    )


def audit_behaviour(reference: Run, variant: Run) -> tuple[AuditFinding, ...]:
    """Hold a variant's behaviour against the reference's on the same items."""
    base, found = behaviour(reference), behaviour(variant)
    ratio = (
        found.mean_tokens / base.mean_tokens if base.mean_tokens else float(found.mean_tokens > 0)
    )
    allowed = _MORE_OFTEN * base.items
    return (
        AuditFinding(
            check="answer length against the reference",
            passed=ratio <= _MOST_VERBOSE,
            promised=f"at most {_MOST_VERBOSE} times its tokens",
            found=f"{ratio:.2f} times ({found.mean_tokens:.1f} against {base.mean_tokens:.1f})",
        ),
        _counted("truncated answers", base.truncated, found.truncated, allowed),
        _counted("degenerate loops", base.loops, found.loops, allowed),
    )


def _counted(check: str, base: int, found: int, allowed: float) -> AuditFinding:
    return AuditFinding(
        check=check,
        passed=found <= base + allowed,
        promised=f"at most {base + int(allowed)}",
        found=str(found),
    )
