"""Checks made after the suite was run: answers that never end, run on, or go round in circles."""

from dataclasses import dataclass

from quantgate.pipelines.domain.loops import loops
from quantgate.pipelines.domain.run import GradedAnswer, Run
from quantgate.pipelines.domain.verdicts.audit import AuditFinding

_MOST_VERBOSE = 1.5
_MORE_OFTEN = 0.02
"""Truncations and loops may exceed the reference's by two percent of the items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a run's answers behave, apart from being right: mean tokens and two counts.

    `mean_tokens` are those of what is said, `mean_thought_tokens` those of thoughts before it.
    """

    items: int
    mean_tokens: float
    mean_thought_tokens: float
    truncated: int
    loops: int


def behaviour(run: Run) -> Behaviour:
    """Summarize a run's answers."""
    answers = [graded.answer for graded in run.answers]
    thoughts = [_thought_tokens(graded) for graded in run.answers]
    count = max(1, len(answers))
    return Behaviour(
        items=len(answers),
        mean_tokens=(sum(a.length_tokens for a in answers) - sum(thoughts)) / count,
        mean_thought_tokens=sum(thoughts) / count,
        truncated=sum(a.finish_reason != "stop" for a in answers),
        loops=sum(_goes_in_circles(graded) for graded in run.answers),
    )


def audit_behaviour(reference: Run, variant: Run) -> tuple[AuditFinding, ...]:
    """Hold a variant's behaviour against the reference's on the same items."""
    base, observed = behaviour(reference), behaviour(variant)
    allowed = _MORE_OFTEN * base.items
    length = _length("answer length against the reference", base.mean_tokens, observed.mean_tokens)
    thought = base.mean_thought_tokens, observed.mean_thought_tokens
    return (
        length,
        *([_length("length of thoughts against the reference", *thought)] if any(thought) else []),
        _counted("truncated answers", base.truncated, observed.truncated, allowed),
        _counted("degenerate loops", base.loops, observed.loops, allowed),
    )


def _goes_in_circles(graded: GradedAnswer) -> bool:
    """Whether an answer does; of a conversation, any of its answers."""
    return any(loops(step.answer) for step in graded.steps) or loops(graded.answer)


def _thought_tokens(graded: GradedAnswer) -> int:
    """Those of the answer that is shown, as its length is."""
    return (graded.spoken.thought_tokens or 0) if graded.spoken else 0


def _length(check: str, base: float, observed: float) -> AuditFinding:
    """Hold a mean length against the reference's, which counts as one token at least."""
    ratio = (
        f"{observed / base:.2f} times"
        if base
        else "any, where there were none"
        if observed
        else "none"
    )
    return AuditFinding(
        check=check,
        passed=observed <= _MOST_VERBOSE * max(base, 1.0),
        promised=f"at most {_MOST_VERBOSE} times its tokens",
        found=f"{ratio} ({observed:.1f} against {base:.1f})",
    )


def _counted(check: str, base: int, observed: int, allowed: float) -> AuditFinding:
    return AuditFinding(
        check=check,
        passed=observed <= base + allowed,
        promised=f"at most {base + int(allowed)}",
        found=str(observed),
    )
