"""Saying how a number is wrong: off by a power of ten, of another sign, in another unit."""

import math
from dataclasses import dataclass
from fractions import Fraction

from quantgate.pipelines.evaluation.graders.numbers.quantities import Quantity
from quantgate.pipelines.evaluation.graders.numbers.units import Unit, known_unit, unit_named
from quantgate.pipelines.evaluation.graders.reading.wording import shorten

_HALF_AN_ORDER = 0.5
"""Orders of magnitude are told apart on the logarithmic scale: from a factor of about 3.16 on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """Why a number is wrong; `off` is by how many orders of magnitude (infinite for sign and zero)."""

    reason: str
    off: float = 0.0


def value_misfit(value: Fraction, expected: Fraction, *, tolerance: Fraction) -> Misfit | None:
    """Compare two values in the same unit; None where they differ by at most `tolerance`."""
    if abs(value - expected) <= tolerance:
        return None
    said = f"{shorten(shown(value))} instead of {shorten(shown(expected))}"
    if value == 0 or expected == 0:
        return Misfit(reason=said, off=math.inf)
    off = _log10(abs(value)) - _log10(abs(expected))
    power = round(off)
    if abs(value + expected) <= tolerance:
        return Misfit(reason=f"{said}: the sign is wrong", off=math.inf)
    shifted = value / Fraction(10) ** power
    if power and abs(shifted - expected) <= tolerance:
        return Misfit(reason=f"{said}: off by a factor of 10^{power}", off=abs(off))
    if (value < 0) != (expected < 0):
        return Misfit(reason=f"{said}: value and sign are wrong", off=math.inf)
    if abs(off) >= _HALF_AN_ORDER:
        return Misfit(
            reason=f"{said}: another order of magnitude (about 10^{off:.1f})", off=abs(off)
        )
    return Misfit(reason=said, off=abs(off))


def unit_misfit(quantity: Quantity, unit: Unit, *, required: bool) -> Misfit | None:
    """Say why a unit is missing or wrong; None where it has the wanted dimension.

    A word that only follows the number (`18 per day`) counts as no unit.
    """
    same_word = quantity.unit is not None and unit_named(quantity.unit).dimension == unit.dimension
    if same_word:
        return None
    if quantity.unit is None or (quantity.bare and known_unit(unit.name)):
        return Misfit(reason=f"the unit {unit.name!r} is missing") if required else None
    if quantity.bare and not required:
        return None
    return Misfit(reason=f"unit {shorten(quantity.unit)!r} instead of {unit.name!r}")


def magnitude_facet(misfit: Misfit | None) -> float:
    """Return 1 where the order of magnitude is right, else 0."""
    return float(misfit is None or misfit.off < _HALF_AN_ORDER)


def shown(value: Fraction) -> str:
    """Return the shortest exact text: a decimal where it ends, else a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    twos_and_fives = value.denominator
    for prime in (2, 5):
        while twos_and_fives % prime == 0:
            twos_and_fives //= prime
    if twos_and_fives != 1:
        return f"{value.numerator}/{value.denominator}"
    places = max(_exponent(value.denominator, 2), _exponent(value.denominator, 5))
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def _exponent(number: int, prime: int) -> int:
    count = 0
    while number % prime == 0:
        number //= prime
        count += 1
    return count


def _log10(value: Fraction) -> float:
    """Logarithm of numerator and denominator apart: a double cannot hold 10^400."""
    return math.log10(value.numerator) - math.log10(value.denominator)
