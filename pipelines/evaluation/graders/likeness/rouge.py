"""Grades a summary by ROUGE, computed by rouge-score."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import regex

from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.evaluation.graders.likeness.by_threshold import (
    Likeness,
    graded_by_likeness,
    problem_of,
)
from quantgate.pipelines.evaluation.graders.reading.expectations import alternatives
from quantgate.pipelines.evaluation.graders.reading.wording import shorten

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer


_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RougeGrader:
    """Scores the words an answer shares with a reference text: ROUGE (Lin 2004), 0 to 1.

    `expected` is a reference text, or a list of them of which the likest counts. `measure` counts words,
    pairs of words, or the longest common subsequence (`rougeLsum`: by line), `statistic` says what is
    taken of it. `stem` cuts English words to their stems. Words are runs of letters and digits of any
    script; where a script has no spaces between words, `chrf` says more. From `threshold` on an answer is
    right; the score itself is kept, as for `chrf`.
    """

    measure: Literal["rouge1", "rouge2", "rougeL", "rougeLsum"] = "rougeL"
    statistic: Literal["fmeasure", "precision", "recall"] = "fmeasure"
    stem: bool = False
    threshold: float = 0.5

    @property
    def name(self) -> str:
        """Name and version."""
        return "rouge@2"

    def problem(self, item: Item) -> str | None:
        """Say why nothing could be like the expectation, or None where it is texts with words."""
        if problem := problem_of(item):
            return problem
        references = map(str, alternatives(item.expected))
        bare = next((reference for reference in references if not _words(reference)), None)
        return None if bare is None else f"{shorten(bare)!r} has no words"

    def grade(self, answer_text: str, item: Item) -> Grade:
        """Grade an answer; the reason says its score. Never raises."""
        measure = f"{self.measure} {self.statistic}"
        likeness = Likeness(grader=self.name, measure=measure, threshold=self.threshold)
        return graded_by_likeness(likeness, answer_text, item, self._score)

    def _score(self, answer: str, references: Sequence[str]) -> float:
        scorer = _scorer(self.measure, stem=self.stem)
        scores = (scorer.score(reference, answer)[self.measure] for reference in references)
        return max(float(getattr(score, self.statistic)) for score in scores)


@lru_cache(maxsize=8)
def _scorer(measure: str, *, stem: bool) -> "RougeScorer":
    """It imports nltk for its stemmer (1.6 s, 215 MB), so only suites that ask for it pay."""
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([measure], use_stemmer=stem, tokenizer=_Words(stem=stem))


class _Words:
    """Words of any script; rouge-score's own tokenizer knows ASCII only and finds nothing in Russian."""

    def __init__(self, *, stem: bool) -> None:
        from nltk.stem import porter

        self._stemmer = porter.PorterStemmer() if stem else None

    def tokenize(self, text: str) -> list[str]:
        """Return lower-case words; longer ones than three letters are stemmed, as in rouge-score."""
        words = _words(text)
        if self._stemmer is None:
            return words
        return [self._stemmer.stem(word) if len(word) > 3 else word for word in words]


def _words(text: str) -> list[str]:
    words: list[str] = _WORD.findall(text.lower())
    return words
