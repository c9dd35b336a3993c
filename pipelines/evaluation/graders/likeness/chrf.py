"""Grades a translation by chrF, computed by sacrebleu."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.evaluation.graders.likeness.by_threshold import (
    Likeness,
    graded_by_likeness,
    problem_of,
)

if TYPE_CHECKING:
    from sacrebleu.metrics.chrf import CHRF


@dataclass(frozen=True, slots=True, kw_only=True)
class ChrfGrader:
    """Scores an answer's character n-grams against a reference text: chrF (Popović 2015), 0 to 1.

    `expected` is a reference text, or a list of them of which the likest counts. `characters` and `words`
    are the longest n-grams; `words: 2` is chrF++ (Popović 2017). `beta` is how many times as much recall
    counts as precision. From `threshold` on an answer is right; the score itself is kept, for verdicts
    on graded scores, which hold a variant's against the reference run's item by item.
    """

    threshold: float = 0.5
    characters: int = 6
    words: int = 0
    beta: int = 2

    @property
    def name(self) -> str:
        """Name and version."""
        return "chrf@2"

    def problem(self, item: Item) -> str | None:
        """Say why nothing could be like the expectation, or None where it is a text or texts."""
        return problem_of(item)

    def grade(self, answer_text: str, item: Item) -> Grade:
        """Grade an answer; the reason says its score. Never raises."""
        measure = (
            f"chrF{'+' * self.words}" if self.words <= 2 else f"chrF with {self.words}-word n-grams"
        )
        likeness = Likeness(grader=self.name, measure=measure, threshold=self.threshold)
        return graded_by_likeness(likeness, answer_text, item, self._score)

    def _score(self, answer: str, references: Sequence[str]) -> float:
        metric = _metric(self.characters, self.words, self.beta)
        return float(metric.sentence_score(answer, list(references)).score) / 100


@lru_cache(maxsize=16)
def _metric(characters: int, words: int, beta: int) -> "CHRF":
    from sacrebleu.metrics.chrf import CHRF  # 0.2 s to import, and only for suites that ask for it

    return CHRF(char_order=characters, word_order=words, beta=beta)
