"""What graders of likeness to a reference text share: the texts, their length, and the grade by a score."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.evaluation.graders.reading.expectations import (
    accepted_texts,
    composed,
    unusable,
)
from quantgate.pipelines.evaluation.graders.reading.fences import without_end_tokens
from quantgate.pipelines.evaluation.graders.reading.grades import in_way, scored, wrong
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused

MOST_CHARACTERS = 20_000
"""Of either text; what is longer is cut off, as ROUGE-L takes time by the product of both lengths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """A grader's name, its measure in words, and the score from which an answer is right."""

    grader: str
    measure: str
    threshold: float


def problem_of(item: Item) -> str | None:
    """Say why nothing could be like the expectation, or None where it is a text or texts."""
    texts = accepted_texts(item.expected)
    return texts.reason if isinstance(texts, Refused) else None


def graded_by_likeness(
    likeness: Likeness,
    answer_text: str,
    item: Item,
    score: Callable[[str, Sequence[str]], float],
) -> Grade:
    """Grade by the score of an answer against its reference texts; an empty answer scores 0."""
    answer = composed(without_end_tokens(answer_text))
    references = accepted_texts(item.expected)
    if isinstance(references, Refused):
        return wrong(likeness.grader, canonical=answer, reason=unusable(references.reason))
    cut = len(answer) > MOST_CHARACTERS
    shown = [composed(text)[:MOST_CHARACTERS] for text in references]
    measured = score(answer[:MOST_CHARACTERS], shown) if answer else 0.0
    correct = measured >= likeness.threshold
    reason = f"{likeness.measure} {measured:.3f}, {'at least' if correct else 'below'} {likeness.threshold:g}"
    if cut:
        reason += f"; only its first {MOST_CHARACTERS} characters were looked at"
    grade = scored(
        likeness.grader, score=measured, correct=correct, canonical=answer, reason=reason
    )
    return in_way(grade, "unlike the reference")
