"""Grades a text answer by equality."""

import unicodedata
from dataclasses import dataclass

from pipelines.domain.run import Grade
from pipelines.domain.suite import Item
from pipelines.evaluation.graders.grades import judged
from pipelines.evaluation.graders.wording import shorten


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactGrader:
    """Compares texts after Unicode NFC and removal of surrounding whitespace; case counts."""

    @property
    def name(self) -> str:
        """Name and version."""
        return "exact@1"

    def problem(self, item: Item) -> str | None:
        """Say why the expectation can never be met, or None where it is a text."""
        return None if isinstance(item.expected, str) else "it is not a text"

    def grade(self, answer_text: str, item: Item) -> Grade:
        """Grade an answer; the reason shows both texts, shortened. Never raises."""
        found = _canonical(answer_text)
        problem = self.problem(item)
        if problem:
            problem = f"the expectation is unusable: {problem}"
        elif found != (wanted := _canonical(str(item.expected))):
            problem = f"{shorten(found)!r} instead of {shorten(wanted)!r}"
        return judged(self.name, problem=problem, canonical=found, expected="the expected text")


def _canonical(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()
