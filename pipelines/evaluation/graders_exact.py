"""Grades a text answer by equality."""

import unicodedata
from dataclasses import dataclass

from pipelines.domain.run import Grade
from pipelines.domain.values import JsonValue
from pipelines.evaluation.graders_text import shorten, storable


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactGrader:
    """Compares texts after Unicode NFC and removal of surrounding whitespace; case counts."""

    name: str = "exact@1"

    def grade(self, answer_text: str, expected: JsonValue) -> Grade:
        """Grade an answer; the reason shows both texts, shortened. Never raises."""
        canonical = _canonical(answer_text)
        problem = exact_expectation_problem(expected)
        if problem:
            correct, reason = False, f"the expectation is unusable: {problem}"
        else:
            wanted = _canonical(str(expected))
            correct = canonical == wanted
            reason = (
                "the expected text"
                if correct
                else f"{shorten(canonical)!r} instead of {shorten(wanted)!r}"
            )
        return Grade(
            correct=correct,
            reason=storable(reason),
            canonical=storable(canonical),
            grader=self.name,
        )


def exact_expectation_problem(expected: JsonValue) -> str | None:
    """Say why `expected` can never be met, or None where it is a text."""
    return None if isinstance(expected, str) else "it is not a text"


def _canonical(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()
