"""Grades an answer that chooses one of several options by its label."""

import string
from dataclasses import dataclass
from typing import Literal

from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.evaluation.graders.reading.expectations import (
    accepted_texts,
    composed,
    unusable,
)
from quantgate.pipelines.evaluation.graders.reading.grades import judged, wrong
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.evaluation.graders.reading.wording import shorten
from quantgate.pipelines.evaluation.graders.text.choice_labels import chosen
from quantgate.pipelines.evaluation.invisible import without_invisible_ends

_LETTERS = tuple(string.ascii_uppercase)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceGrader:
    """Finds the label that an answer chooses and compares it with the expected one.

    `choices` are the labels, A to Z where none are given; they may be words. `expected` is one of
    them, or a list of which any is accepted. An answer that names several without deciding is wrong.
    `where` says which of several declarations counts; `whole` allows no words around the choice.
    """

    choices: tuple[str, ...] = ()
    where: Literal["last", "first", "whole"] = "last"

    @property
    def name(self) -> str:
        """Name and version."""
        return "choice@4"

    def problem(self, item: Item) -> str | None:
        """Say why the expectation can never be met, or None where it is among the choices."""
        accepted = self._accepted(item.expected)
        return accepted.reason if isinstance(accepted, Refused) else None

    def grade(self, answer_text: str, item: Item) -> Grade:
        """Grade an answer; its canonical form is the chosen label. Never raises."""
        accepted = self._accepted(item.expected)
        if isinstance(accepted, Refused):
            reason = unusable(accepted.reason)
            return wrong(self.name, canonical=answer_text.strip(), reason=reason)
        asked = composed(item.messages[-1].content) if item.messages else ""
        label = chosen(composed(answer_text), self._labels, self.where, asked)
        if isinstance(label, Refused):
            reason = f"{label.reason} in {shorten(answer_text.strip())!r}"
            open_ = label.reason.startswith(("ambiguous", "no choice is named, one"))
            return wrong(
                self.name,
                canonical=composed(answer_text).strip(),
                reason=reason,
                way="undecided" if open_ else "no answer in it",
            )
        problem = None
        if label not in accepted:
            problem = f"chose {label!r} instead of {' or '.join(map(repr, accepted))}"
        return judged(
            self.name, problem=problem, canonical=f"choice {label}", expected="the expected choice"
        )

    @property
    def _labels(self) -> tuple[str, ...]:
        return (
            tuple(composed(without_invisible_ends(label).strip()) for label in self.choices)
            or _LETTERS
        )

    def _accepted(self, expected: JsonValue) -> tuple[str, ...] | Refused:
        if not all(self._labels) or len(set(self._labels)) != len(self._labels):
            return Refused(reason="a choice is blank or is given twice")
        accepted = accepted_texts(expected, what="label")
        if isinstance(accepted, Refused):
            return accepted
        labels = tuple(composed(without_invisible_ends(label).strip()) for label in accepted)
        strange = next((label for label in labels if label not in self._labels), None)
        if strange is None:
            return labels
        shown = ", ".join(self._labels) if self.choices else "A to Z"
        return Refused(reason=f"{shorten(strange)!r} is none of the choices {shown}")
