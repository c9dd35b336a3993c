"""Grades an answer that is a number, with its unit and its order of magnitude."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from quantgate.pipelines.domain.run import Facet, Grade
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.evaluation.graders.numbers.misfits import (
    Misfit,
    magnitude_facet,
    shown,
    unit_misfit,
    value_misfit,
)
from quantgate.pipelines.evaluation.graders.numbers.numerals import DecimalSign
from quantgate.pipelines.evaluation.graders.numbers.places import Place, final_number
from quantgate.pipelines.evaluation.graders.numbers.quantities import Quantity
from quantgate.pipelines.evaluation.graders.numbers.units import (
    Unit,
    in_base,
    known_unit,
    unit_named,
)
from quantgate.pipelines.evaluation.graders.reading.expectations import (
    alternatives,
    none_refused,
    unknown_key,
    unusable,
)
from quantgate.pipelines.evaluation.graders.reading.grades import in_way, scored, wrong
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.evaluation.graders.reading.wording import shorten

_TOO_LARGE = 10**400
"""No answer of more digits is read as a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExpectedNumber:
    value: Fraction
    unit: Unit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberGrader:
    """Finds the answer's final number and compares it exactly, or within a tolerance.

    `expected` is a number, a text (`5 km`), `{value, unit}`, or a list of these of which any is
    accepted. A unit that is expected has to be there (`unit: required`), may be left out (`optional`)
    or does not count (`ignored`); units of one dimension convert. `relative` is a share of the expected
    value, `absolute` is in its unit; the wider one counts. `decimal` says how the answers write a
    fraction (`pipelines.evaluation.graders.numbers.numerals`).
    """

    where: Place = "last"
    decimal: DecimalSign = "auto"
    unit: Literal["required", "optional", "ignored"] = "required"
    relative: float = 0.0
    absolute: float = 0.0

    @property
    def name(self) -> str:
        """Name and version."""
        return "number@2"

    def problem(self, item: Item) -> str | None:
        """Say why the expectation can never be met, or None where it is numbers."""
        expected = self._expected_numbers(item.expected)
        return expected.reason if isinstance(expected, Refused) else None

    def grade(self, answer_text: str, item: Item) -> Grade:
        """Grade an answer; facets are value, magnitude and, where a unit is expected, unit."""
        expected = self._expected_numbers(item.expected)
        if isinstance(expected, Refused):
            reason = unusable(expected.reason)
            return wrong(self.name, canonical=answer_text.strip(), reason=reason)
        quantity = final_number(answer_text, self.where, self.decimal)
        if isinstance(quantity, Refused):
            reason = f"{quantity.reason} in {shorten(answer_text.strip())!r}"
            facets = _facets(expected[0], value=0.0, magnitude=0.0, unit=0.0)
            grade = wrong(self.name, canonical=answer_text.strip(), reason=reason, facets=facets)
            return in_way(grade, "no answer in it")
        return max((self._compared(quantity, number) for number in expected), key=_nearness)

    def _compared(self, quantity: Quantity, expected: _ExpectedNumber) -> Grade:
        unit = None if self.unit == "ignored" else expected.unit
        misfit = unit_misfit(quantity, unit, required=self.unit == "required") if unit else None
        tolerance = self._tolerance(expected.value)
        readings = [
            (value_misfit(value, expected.value, tolerance=tolerance), value)
            for value in _converted(quantity, expected.unit)
        ]
        nearest, value = min(readings, key=lambda read: _distance(read[0]))
        problems = [fault.reason for fault in (nearest, misfit) if fault]
        facets = _facets(
            expected if unit else None,
            value=float(nearest is None),
            magnitude=magnitude_facet(nearest),
            unit=float(misfit is None),
        )
        grade = scored(
            self.name,
            score=float(not problems),
            correct=not problems,
            canonical=_canonical(quantity, value, unit=unit, fits=misfit is None),
            reason="; ".join(problems) or "the expected number",
            facets=facets,
        )
        return in_way(grade, "wrong value" if nearest else "wrong unit")

    def _tolerance(self, value: Fraction) -> Fraction:
        """Tolerances count as they are written in decimal, not as the nearest binary fraction."""
        relative = Fraction(repr(self.relative)) * abs(value)
        return max(relative, Fraction(repr(self.absolute)))

    def _expected_numbers(self, expected: JsonValue) -> tuple[_ExpectedNumber, ...] | Refused:
        for tolerance in (self.relative, self.absolute):
            if not (math.isfinite(tolerance) and tolerance >= 0):
                return Refused(reason="a tolerance is no finite number from 0 on")
        listed = alternatives(expected)
        if not listed:
            return Refused(reason="the list of accepted numbers is empty")
        return none_refused(map(self._read, listed))

    def _read(self, expected: JsonValue) -> _ExpectedNumber | Refused:
        if isinstance(expected, dict):
            return unknown_key(expected, ("value", "unit")) or self._read_pair(expected)
        if isinstance(expected, str):
            decimal = "auto" if self.decimal == "either" else self.decimal
            quantity = final_number(expected, "whole", decimal)
            if isinstance(quantity, Refused):
                return Refused(reason=f"{shorten(expected)!r} is not one number with its unit")
            return _ExpectedNumber(
                value=quantity.values[0], unit=unit_named(quantity.unit) if quantity.unit else None
            )
        if isinstance(expected, bool) or not isinstance(expected, int | float):
            return Refused(reason="it is neither a number, nor a text, nor {value, unit}")
        if isinstance(expected, int):
            large = abs(expected) >= _TOO_LARGE
            return (
                Refused(reason="it is too large")
                if large
                else _ExpectedNumber(value=Fraction(expected))
            )
        if not math.isfinite(expected):
            return Refused(reason="it is not a finite number")
        return _ExpectedNumber(value=Fraction(repr(expected)))

    def _read_pair(self, expected: dict[str, JsonValue]) -> _ExpectedNumber | Refused:
        value = expected.get("value")
        read = Refused(reason="'value' is missing") if value is None else self._read(value)
        unit = expected.get("unit")
        if isinstance(read, Refused) or unit is None:
            return read
        if not isinstance(unit, str) or not unit.strip() or read.unit:
            return Refused(reason="'unit' is not one text, beside a value without unit")
        return _ExpectedNumber(value=read.value, unit=unit_named(unit.strip()))


def _converted(quantity: Quantity, expected: Unit | None) -> list[Fraction]:
    """Return the found values in the wanted unit, as they stand where nothing converts.

    A percentage is also the number it stands for: 12 % meets both 12 and 0.12 where no unit is asked.
    """
    unit = known_unit(quantity.unit) if quantity.unit else None
    values = list(quantity.values)
    if expected is None:
        share = unit is not None and unit.dimension == "share"
        return [*values, *(value * unit.factor for value in values)] if unit and share else values
    if unit is None or unit.dimension != expected.dimension:
        return values
    return [(in_base(value, unit) - expected.offset) / expected.factor for value in values]


def _canonical(quantity: Quantity, value: Fraction, *, unit: Unit | None, fits: bool) -> str:
    """Answers are the same where they say the same number, in the same unit where one is asked."""
    if unit is None:
        return shown(value)
    return f"{shown(value)} {unit.name if fits else quantity.unit or ''}".strip()


def _distance(misfit: Misfit | None) -> tuple[bool, float]:
    return misfit is not None, misfit.off if misfit else 0.0


def _facets(
    expected: _ExpectedNumber | None, *, value: float, magnitude: float, unit: float
) -> tuple[Facet, ...]:
    both = (Facet(name="value", score=value), Facet(name="magnitude", score=magnitude))
    return (*both, Facet(name="unit", score=unit)) if expected and expected.unit else both


def _nearness(grade: Grade) -> tuple[bool, float]:
    return grade.correct, sum(facet.score for facet in grade.facets)
