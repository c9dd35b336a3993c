"""Finding numbers with their units in a text."""
# ruff: noqa: RUF001 - the characters are what texts are written in

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from quantgate.pipelines.evaluation.graders.numbers.numerals import (
    DecimalSign,
    plain_digits,
    readings,
)
from quantgate.pipelines.evaluation.graders.numbers.units import CURRENCY_SIGNS, known_unit

_LETTER = "A-Za-zÀ-ɏ"
_SPACE = "'’_ \u00a0\u2009\u202f"
_SIGNS = "|".join(re.escape(sign) for sign in CURRENCY_SIGNS)
_NUMERAL = (
    rf"\d{{1,40}} \d{{1,40}}/\d{{1,40}}(?![\d/])|\d{{1,400}}/\d{{1,400}}(?![\d/.,]\d)"
    rf"|(?:\d{{1,3}}(?P<group>[{_SPACE}])\d{{3}}(?:(?P=group)\d{{3}})*(?!\d)(?:[.,]\d+)?"
    r"|\d+(?:[.,]\d+)*|\.\d+)(?:[eE][-+]?\d{1,4}(?!\w))?"
)
_QUANTITY = re.compile(
    rf"(?<![{_LETTER}\d_])(?<!\d[.,:])(?:(?<![\w)\]])(?P<sign>[-+–]))?"
    rf"(?:(?<![{_LETTER}])(?P<currency>(?i:{_SIGNS})) ?(?P<inner>[-+])?)?(?P<numeral>{_NUMERAL})"
)
_TAIL = re.compile(
    "[ \u00a0\u202f-]?(?P<token>[%‰]|[^\\s\\d.,;:!?()\\[\\]{}<>=+*|\"'“”।。、！？…~^\\\\-]{1,40}[23]?(?!\\d))"
)
_NO_NUMBERS = re.compile(
    r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)|(?<!\d)\d{1,4}/\d{1,2}/\d{1,4}(?!\d)|(?<!\d)\d{1,2}:\d{2}(?::\d{2})?(?!\d)"
)
_LIST_NUMBER = re.compile(r"^[ \t]{0,8}\d{1,2}[.)](?=[ \t]\S)", re.MULTILINE)
_STARTS_WORD = re.compile(" [a-z]")
_FIRST_UNSPACED = "\u0e00"
"""From Thai on, scripts write a unit and the next word together."""

_MULTIPLIERS = {
    word: factor
    for factor, words in (
        (10**2, "百"),
        (10**3, "k thousand tausend mille mil тыс тысяч тысяча тысячи हज़ार হাজার พัน 千 천"),
        (10**4, "万 萬 만 หมื่น"),
        (10**5, "lakh lakhs lac लाख লাখ แสน"),
        (10**6, "M mn mio mln million millions millionen millón millones milhão milhões milioni"
         " млн миллион миллиона миллионов ล้าน 百万 백만"),
        (10**7, "crore crores करोड़ কোটি"),
        (10**8, "億 亿 억"),
        (10**9, "bn mrd mia billion billions milliarde milliarden milliard milliards млрд миллиард"
         " миллиарда миллиардов"),
        (10**12, "tn trillion trillions billionen трлн 兆 조"),
    )
    for word in words.split()
}  # fmt: skip
_ATTACHED = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9, "bn": 10**9}
"""Letters that multiply where no space parts them from the number: `3 B` are three bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number in a text: what it may mean, the unit as written, and where it stands.

    `bare` tells that the word in `unit` merely follows: no unit that is known, and behind `end`.
    """

    values: tuple[Fraction, ...]
    unit: str | None
    bare: bool
    start: int
    end: int


def quantities(text: str, decimal: DecimalSign) -> tuple[list[Quantity], str]:
    """Return the numbers of a text in order, and the text their positions refer to.

    Dates, times of day, versions, digits in words (`H2O`) and a list's own numbering are none.
    """
    text = _NO_NUMBERS.sub(lambda match: "~" * len(match[0]), plain_digits(text))
    if len(_LIST_NUMBER.findall(text)) > 1:
        text = _LIST_NUMBER.sub(lambda match: "~" * len(match[0]), text)
    return list(_merged(_read_quantities(text, decimal), text)), text


def _read_quantities(text: str, decimal: DecimalSign) -> Iterator[Quantity]:
    for match in _QUANTITY.finditer(text):
        values = readings(match["numeral"], decimal)
        if not values:
            continue
        factor, unit, end = _tail(text, match.end(), currency=match["currency"] is not None)
        if match["sign"] in ("-", "–") or match["inner"] == "-":
            factor = -factor
        unit_name = match["currency"] or unit
        yield Quantity(
            values=tuple(value * factor for value in values),
            unit=unit_name,
            bare=unit_name is not None and known_unit(unit_name) is None,
            start=match.start(),
            end=end,
        )


def _tail(text: str, start: int, *, currency: bool) -> tuple[int, str | None, int]:
    """Return the multiplier, the unit and the end of what follows a numeral."""
    factor, end = 1, start
    token = _TAIL.match(text, start)
    multiplied = _multiplier(token, attached=token is not None and token.start("token") == start)
    if token and multiplied:
        factor, length = multiplied
        end = token.start("token") + length
        token = _TAIL.match(text, end)
    unit = _unit(token["token"]) if token else None
    if token is None or unit is None or currency:
        return factor, None, end
    if known_unit(unit) is None or (unit == "in" and _STARTS_WORD.match(text, token.end())):
        return factor, None if unit == "in" else unit, end  # `5 in total` are no inches
    return factor, unit, token.start("token") + len(unit)


def _multiplier(token: re.Match[str] | None, *, attached: bool) -> tuple[int, int] | None:
    if token is None:
        return None
    word = token["token"]
    if attached and word in _ATTACHED:
        return _ATTACHED[word], len(word)
    if word.casefold() in _MULTIPLIERS and len(word) > 1:
        return _MULTIPLIERS[word.casefold()], len(word)
    if word[0] < _FIRST_UNSPACED:
        return None
    prefix = next((word[:n] for n in range(6, 0, -1) if word[:n] in _MULTIPLIERS), None)
    return (_MULTIPLIERS[prefix], len(prefix)) if prefix else None


def _unit(word: str) -> str:
    if word[0] >= _FIRST_UNSPACED:
        return next((word[:n] for n in range(12, 0, -1) if known_unit(word[:n])), word)
    return word if known_unit(word) or "/" not in word else word.split("/")[0] or word


def _merged(parts: Iterator[Quantity], text: str) -> Iterator[Quantity]:
    """`2 h 30 min` is one quantity: the same dimension, a smaller unit, nothing but `and` between."""
    pending: Quantity | None = None
    for quantity in parts:
        joined = pending and _joined(pending, quantity, text)
        if pending and not joined:
            yield pending
        pending = joined or quantity
    if pending:
        yield pending


def _joined(first: Quantity, second: Quantity, text: str) -> Quantity | None:
    if text[first.end : second.start].strip() not in ("", ",", "and", "und", "et", "y"):
        return None
    large, small = known_unit(first.unit or ""), known_unit(second.unit or "")
    if not large or not small or large.dimension not in ("time", "length", "mass"):
        return None
    if large.dimension != small.dimension or large.factor <= small.factor:
        return None
    ratio = small.factor / large.factor
    if not 0 <= second.values[0] * ratio < 1 or first.values[0] < 0:
        return None
    return replace(first, values=(first.values[0] + second.values[0] * ratio,), end=second.end)
