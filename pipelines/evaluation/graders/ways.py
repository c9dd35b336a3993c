"""How a wrong answer is wrong: what its grader says, and what its end and its manner say better."""

from quantgate.pipelines.domain.run import Answer, Grade, Way
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.suites.thoughts import Spoken
from quantgate.pipelines.evaluation.graders.text.refusal import refuses_altogether

_UNTOLD: frozenset[Way | None] = frozenset(
    {
        None,
        *("wrong value", "not JSON", "breaks its schema", "no answer in it", "undecided"),
        *("unreadable call", "missing call", "wrong arguments", "program fails"),
        *("unlike the reference", "judged wrong"),
    }
)
"""What a grader says of an answer that never was what it looks for: cut off, in a loop, or a refusal."""


def way_of(
    answer: Answer, spoken: Spoken, grade: Grade, item: Item, *, in_loop: bool
) -> Way | None:
    """Return how an answer is wrong, None where it is right. Pure; never raises."""
    if grade.correct:
        return None
    if answer.finish_reason == "error":
        return "runtime error"
    if not spoken.finished:
        return "still thinking"
    if not spoken.text.strip():
        return "empty"
    if grade.way not in _UNTOLD:
        return grade.way
    if answer.finish_reason == "length":
        return "degenerate loop" if in_loop else "truncated"
    if refuses_altogether(spoken.text, item):
        return "refused"
    return grade.way or "wrong value"
