"""Grades a text answer by equality."""

from dataclasses import dataclass

from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.evaluation.graders.reading.expectations import alternatives, unusable
from quantgate.pipelines.evaluation.graders.reading.grades import judged
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.evaluation.graders.reading.wording import shorten
from quantgate.pipelines.evaluation.graders.text.normal_forms import LevelledDifference, normal_form


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactGrader:
    """Compares texts after Unicode NFC and removal of surrounding whitespace; all else counts.

    `expected` is a text, or a list of them of which any is accepted. `ignore` names differences that
    do not count (`pipelines.evaluation.graders.text.normal_forms`).
    """

    ignore: tuple[LevelledDifference, ...] = ()

    @property
    def name(self) -> str:
        """Name and version."""
        return "exact@2"

    def problem(self, item: Item) -> str | None:
        """Say why the expectation can never be met, or None where it is a text or texts."""
        accepted = self._accepted(item.expected)
        return accepted.reason if isinstance(accepted, Refused) else None

    def grade(self, answer_text: str, item: Item) -> Grade:
        """Grade an answer; the reason shows both texts, shortened. Never raises."""
        text = normal_form(answer_text, self.ignore)
        accepted = self._accepted(item.expected)
        problem: str | None = None
        if isinstance(accepted, Refused):
            problem = unusable(accepted.reason)
        elif text not in accepted:
            others = f" (or {len(accepted) - 1} others)" if len(accepted) > 1 else ""
            problem = f"{shorten(text)!r} instead of {shorten(accepted[0])!r}{others}"
        return judged(self.name, problem=problem, canonical=text, expected="the expected text")

    def _accepted(self, expected: JsonValue) -> tuple[str, ...] | Refused:
        """An expectation may be blank only where it is written so: normalizing must not blank it."""
        listed = alternatives(expected)
        if not listed:
            return Refused(reason="the list of accepted texts is empty")
        accepted = []
        for text in listed:
            if not isinstance(text, str):
                return Refused(reason="it is not a text")
            accepted.append(normal_form(text, self.ignore))
            if text.strip() and not accepted[-1]:
                return Refused(reason=f"nothing is left of {shorten(text)!r} to compare")
        return tuple(accepted)
