"""Numerals as people and models write them, to exact fractions.

Which of `,` and `.` is the decimal sign is told from the numeral alone, in this order: where both stand
in it, the last one is; one that stands several times parts thousands (`1,234,567`, and `12,34,567` as
in India); a comma before exactly three digits parts thousands (`1,234`, not `0,125`); any other single
one is decimal. So `1.234` is one and a bit, unless `decimal` says that the texts write `comma`.
"""
# ruff: noqa: RUF001 - the characters are what texts are written in

import re
import unicodedata
from fractions import Fraction
from typing import Literal

DecimalSign = Literal["auto", "point", "comma", "either"]
"""`either` accepts both readings where a single `,` or `.` stands before exactly three digits."""

_MOST_DIGITS, _MOST_EXPONENT = 400, 400
"""No numeral of an answer is longer on purpose; exact arithmetic on longer ones would take time."""

_WESTERN = re.compile(r"\d{1,3}(?:[.,]\d{3})+")
_INDIAN = re.compile(r"\d{1,2}(?:,\d{2})+,\d{3}")
_GROUP_MARKS = re.compile("['’_ \u00a0\u2009\u202f]")
_NATIVE_DIGIT = re.compile(r"(?![0-9])\d")
_VULGAR = re.compile("[¼½¾⅐-⅞]")
_LATEX_FRACTION = re.compile(r"\\[dt]?frac ?\{ ?(\d{1,40}) ?\} ?\{ ?(\d{1,40}) ?\}")
_SHORT_FRACTION = re.compile(r"\\[dt]?frac ?(\d) ?(\d)")
"""TeX reads one digit each where no braces stand: `\\frac12`."""
_LATEX_TEXT = re.compile(r"\\(?:text|mathrm|mathbf|textbf|operatorname) ?\{([^{}]{0,200})\}")
_BOLD = re.compile(r"(?<!\d)\*\*|\*\*(?!\d)|`")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_POWER_OF_TEN = re.compile(
    r"(?<=\d) ?(?:×|\\times|\\cdot|·|x|\*) ?10(?:\^|\*\*)\{?([-+]?\d{1,4})\}?"
)
_RAISED_POWER = re.compile(r"(?<=\d) ?[×x·] ?10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]{1,5})")
_BARE_POWER = re.compile(
    r"(?<![\w.,^)])10(?:(?:\^|\*\*)\{?([-+]?\d{1,4})\}?|([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]{1,5}))(?![\w^])"
)
_SIGN_WORD = re.compile(
    r"((?:^|[.:=,;!?(]|\b(?:is|are|was|were|be|equals?|to|at|about|approximately|answer|ist|sind|beträgt))\s?)"
    r"(?:minus|negative) (?=[$€£]?\d)",
    re.IGNORECASE | re.MULTILINE,
)
"""A sign in words, where nothing stands before it from which something could be taken away."""
_DEGREES = re.compile(
    r"(?<=\d) ?(?:degrees?|deg|grad|degrés?|grados?|gradi|graus?)"
    r" (?:(c(?:elsius)?|centigrade)|f(?:ahrenheit)?)\b",
    re.IGNORECASE,
)
_REPLACED = str.maketrans(
    {
        "−": "-",
        "﹣": "-",
        "\uff0d": "-",
        "٫": ".",
        "\uff0e": ".",
        "٬": ",",
        "\uff0c": ", ",
        "\uff05": "%",
        "٪": "%",
        "﹪": "%",
        "⁄": "/",
        "\u3000": " ",
    }
)


def plain_digits(text: str) -> str:
    r"""Return `text` with digits of any script as 0–9 and with LaTeX and Markdown out of their way.

    `\frac{1}{2}` and `½` become `1/2`, `3 × 10^4` becomes `3e4`, typographic signs become plain ones.
    """
    text = _NATIVE_DIGIT.sub(lambda match: str(unicodedata.decimal(match[0])), text)
    text = text.replace("{,}", ",").replace("\\,", "").replace("\\!", "").replace("\\ ", " ")
    text = _SHORT_FRACTION.sub(r" \1/\2 ", _LATEX_FRACTION.sub(r" \1/\2 ", text))
    text = _LATEX_TEXT.sub(r"\1", text)
    text = text.replace("\\%", "%").replace("\\$", "$").translate(_REPLACED)
    text = _VULGAR.sub(lambda match: f" {unicodedata.normalize('NFKC', match[0])}", text)
    text = _RAISED_POWER.sub(lambda match: f"e{match[1].translate(_SUPERSCRIPTS)}", text)
    text = _POWER_OF_TEN.sub(r"e\1", _BOLD.sub("", text.replace("⁄", "/")))
    text = _BARE_POWER.sub(_power_of_ten, text)
    text = _DEGREES.sub(lambda match: "°C" if match[1] else "°F", text)
    return _SIGN_WORD.sub(r"\1-", text)


def _power_of_ten(match: re.Match[str]) -> str:
    exponent = match[1] or match[2].translate(_SUPERSCRIPTS)
    return f" 1e{exponent}"


def readings(numeral: str, decimal: DecimalSign) -> tuple[Fraction, ...]:
    """Return what an unsigned numeral (`1,234.5`, `1 234`, `3/4`, `1 3/4`, `2e5`) may mean.

    One reading, or two where `decimal` is `either` and the numeral is ambiguous; none where it is no
    number (`1.2.3`) or is longer than 400 digits.
    """
    above, slash, below = numeral.partition("/")
    if slash:
        return _fraction(above, below)
    digits, _, exponent = numeral.lower().partition("e")
    if len(digits) > _MOST_DIGITS or abs(int(exponent or 0)) > _MOST_EXPONENT:
        return ()
    scale = Fraction(10) ** int(exponent or 0)
    return tuple(Fraction(plain) * scale for plain in _plain(digits, decimal))


def _fraction(above: str, below: str) -> tuple[Fraction, ...]:
    if len(above) + len(below) > _MOST_DIGITS or int(below) == 0:
        return ()
    whole, _, top = above.rpartition(" ")
    return (int(whole or 0) + Fraction(int(top), int(below)),)


def _plain(digits: str, decimal: DecimalSign) -> tuple[str, ...]:
    """Return the numeral as Python reads decimals, once for every reading."""
    ungrouped = _GROUP_MARKS.sub("", digits)
    points, commas = ungrouped.count("."), ungrouped.count(",")
    if (ungrouped != digits and points + commas <= 1) or points + commas == 0:
        return (ungrouped.replace(",", "."),)
    if points and commas:
        return _both(ungrouped)
    mark = "," if commas else "."
    if points + commas > 1:
        return (ungrouped.replace(mark, ""),) if _grouped(ungrouped) else ()
    return _one_mark(ungrouped, mark, decimal)


def _both(digits: str) -> tuple[str, ...]:
    mark = max(".,", key=digits.rfind)
    whole, _, rest = digits.rpartition(mark)
    if mark in whole or not _grouped(whole):
        return ()
    return (f"{whole.replace(',', '').replace('.', '')}.{rest}",)


def _one_mark(digits: str, mark: str, decimal: DecimalSign) -> tuple[str, ...]:
    as_decimal, as_thousands = digits.replace(mark, "."), digits.replace(mark, "")
    if not _WESTERN.fullmatch(digits) or digits[0] == "0":
        return (as_decimal,)
    if decimal == "either":
        return (as_decimal, as_thousands)
    decimal_mark = "," if decimal == "comma" else "."
    return (as_decimal,) if mark == decimal_mark else (as_thousands,)


def _grouped(digits: str) -> bool:
    return bool(_WESTERN.fullmatch(digits) or _INDIAN.fullmatch(digits))
