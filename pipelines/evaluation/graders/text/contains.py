"""Grades a text answer by what stands in it."""

import re
import unicodedata
from dataclasses import dataclass

from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.evaluation.graders.reading.expectations import (
    ExpectedTexts,
    composed,
    expected_texts,
    unusable,
)
from quantgate.pipelines.evaluation.graders.reading.grades import judged
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.evaluation.graders.reading.wording import shorten

_FORBIDDEN = "is there and must not be"
_SPACES = re.compile(r"\s+")
_WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
"""Scripts that write words without spaces, by the first word of their characters' names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainsGrader:
    """Looks for texts in the answer, after Unicode NFC; runs of whitespace count as one space.

    `expected` is a text, a list of them of which any is enough, or `{all, any, none}`. `case` says
    whether case counts, `words` that only whole words are found (where a script has spaces).
    """

    case: bool = True
    words: bool = False

    @property
    def name(self) -> str:
        """Name and version."""
        return "contains@2"

    def problem(self, item: Item) -> str | None:
        """Say why the expectation can never be met, or None where it is texts that can stand together."""
        expected = expected_texts(item.expected)
        if isinstance(expected, Refused):
            return expected.reason
        for refused in expected.none_of:
            for text in expected.all_of:
                if self.finds(refused, self.normal(text)):
                    return f"{shorten(text)!r} must be there and holds {shorten(refused)!r}"
        return None

    def grade(self, answer_text: str, item: Item) -> Grade:
        """Grade an answer; the reason names the first text that is missing or too much."""
        text = self.normal(answer_text)
        expected = expected_texts(item.expected)
        if isinstance(expected, Refused):
            problem: str | None = unusable(expected.reason)
        else:
            problem = self.missing(expected, text)
        forbidden = problem is not None and problem.endswith(_FORBIDDEN)
        return judged(
            self.name,
            problem=problem,
            canonical=text,
            expected="has what it has to",
            way="forbidden text" if forbidden else "wrong value",
        )

    def normal(self, text: str) -> str:
        """Return `text` as it is searched and compared."""
        text = _SPACES.sub(" ", composed(text)).strip()
        return text if self.case else composed(text.casefold())

    def missing(self, expected: ExpectedTexts, text: str) -> str | None:
        """Say what is missing in, or too much in, a normal text; None where nothing is."""
        for phrase in expected.all_of:
            if not self.finds(phrase, text):
                return f"{shorten(phrase)!r} is not in {shorten(text)!r}"
        if expected.any_of and not any(self.finds(phrase, text) for phrase in expected.any_of):
            phrase, *others = expected.any_of
            more = f" nor any of {len(others)} others" if others else ""
            return f"{shorten(phrase)!r}{more} is not in {shorten(text)!r}"
        present = next((phrase for phrase in expected.none_of if self.finds(phrase, text)), None)
        return f"{shorten(present)!r} {_FORBIDDEN}" if present else None

    def finds(self, phrase: str, text: str) -> bool:
        """Say whether `phrase` stands in a normal text."""
        needle = self.normal(phrase)
        start = text.find(needle)
        while self.words and start >= 0 and not _stands_alone(text, start, start + len(needle)):
            start = text.find(needle, start + 1)
        return start >= 0


def _stands_alone(text: str, start: int, end: int) -> bool:
    return not (
        _joined(text[max(0, start - 2) : start][::-1], text[start:end])
        or _joined(text[end : end + 2], text[start:end][::-1])
    )


def _joined(outside: str, inside: str) -> bool:
    """Both sides nearest character first; `1` does not stand in `1.5`, nor `10` in `10,000`."""
    if outside[:1] in (".", ",") and inside[0].isdecimal():
        return outside[1:2].isdecimal()
    return bool(outside) and _in_word(outside[0]) and _in_word(inside[0])


def _in_word(character: str) -> bool:
    """Letters, digits and the marks above and below them, in scripts that put spaces between words."""
    if unicodedata.category(character)[0] not in "LNM" and character != "_":
        return False
    return not unicodedata.name(character, "").startswith(_WITHOUT_SPACES)
