"""Several answers to one item: their prompts' ids, and the one grade they have together."""

import re
from collections.abc import Sequence
from dataclasses import replace

from quantgate.pipelines.domain.run import Facet, Grade, GradedAnswer
from quantgate.pipelines.domain.suites.suite import Item, Suite

_MARK = "#"
_STEP = re.compile(r"#step[0-9]+\Z")
_SAMPLE = re.compile(r"#[0-9]+\Z")


def sample_id(item_id: str, number: int) -> str:
    """Return the id under which sample `number` (from 0) of an item is asked and answered."""
    return item_id if number == 0 else f"{item_id}{_MARK}{number + 1}"


def step_id(sample: str, number: int) -> str:
    """Return the id under which step `number` (from 1) of a sample of a loop is asked and answered."""
    return sample if number == 1 else f"{sample}{_MARK}step{number}"


def sample_of(answer_id: str) -> str:
    """Return the id of the sample that an answer's id belongs to, whichever step it is."""
    return _STEP.sub("", answer_id)


def item_of(sample: str) -> str:
    """Return the id of the item that a sample's id belongs to."""
    return _SAMPLE.sub("", sample)


def id_problem(suite: Suite, item: Item) -> str | None:
    """Say why an item's answers could not be told from those of another one, None where they can."""
    base = item_of(sample_of(item.id))
    if base == item.id:
        return None
    other = next((other for other in suite.items if other.id == base), None)
    if other is None or (other.loop is None and suite.decode_of(other).samples == 1):
        return None
    return (
        f"its id is one under which '{base}' is answered (samples, steps): call it something else"
    )


def together(samples: Sequence[GradedAnswer]) -> GradedAnswer:
    """Return one graded answer for all samples of an item, at least one.

    The score is their mean; the item is right where more than half of its samples are. The answer shown
    is the first one graded like the whole.
    """
    if len(samples) == 1:
        return samples[0]
    right = sum(sample.grade.correct for sample in samples)
    correct = 2 * right > len(samples)
    shown = next((s for s in samples if s.grade.correct is correct), samples[0])
    grade = Grade(
        correct=correct,
        reason=f"{right} of {len(samples)} samples right; {shown.grade.reason}",
        canonical=shown.grade.canonical,
        grader=shown.grade.grader,
        score=sum(sample.grade.score for sample in samples) / len(samples),
        facets=_mean_facets(samples),
        way=None if correct else shown.grade.way,
    )
    return GradedAnswer(
        answer=replace(shown.answer, item_id=samples[0].answer.item_id),
        grade=grade,
        samples=tuple(samples),
        spoken=shown.spoken,
        steps=shown.steps,
    )


def _mean_facets(samples: Sequence[GradedAnswer]) -> tuple[Facet, ...]:
    """Means over the samples that have a facet, in order of first appearance."""
    scores: dict[str, list[float]] = {}
    for sample in samples:
        for facet in sample.grade.facets:
            scores.setdefault(facet.name, []).append(facet.score)
    return tuple(Facet(name=name, score=sum(v) / len(v)) for name, v in scores.items())
