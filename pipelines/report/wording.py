"""Numbers and foreign text as people read them."""

import re
import unicodedata

from quantgate.pipelines.domain.speed import SpeedFigure

_KILO = 1000.0
_NEXT_UNIT_FROM = 999.5  # would round to 1000
_UNITS = ("B", "kB", "MB", "GB", "TB")
# Not among them: the zero-width joiners U+200C and U+200D, without which Persian and emoji are wrong.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"
    r"\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_CONTROL_PICTURES = 0x2400
_SPACE = 0x20


def percent(share: float) -> str:
    """Write a share with one decimal."""
    return f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """Write a difference of shares in signed percentage points; a true minus sign for negative ones."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "\u2212")


def probability(p: float) -> str:
    """Write a p-value with three decimals, or as below the smallest of them."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def size(size_bytes: int) -> str:
    """Write bytes in decimal units with about three significant digits, e.g. `2.14 MB`."""
    amount, power = float(size_bytes), 0
    while amount >= _NEXT_UNIT_FROM and power < len(_UNITS) - 1:
        amount, power = amount / _KILO, power + 1
    digits = 0 if power == 0 or amount >= 100 else 1 if amount >= 10 else 2
    return f"{amount:.{digits}f} {_UNITS[power]}"


def speed_figure(figure: SpeedFigure) -> str:
    """Write a variant's own value of a figure with what it counts."""
    value = figure.variant.median
    return {
        "prompt_tokens_per_second": f"{value:,.0f} prompt tokens a second",
        "generated_tokens_per_second": f"{value:,.1f} tokens generated a second",
        "first_token_seconds": f"{1000 * value:,.0f} ms to the first token",
        "peak_memory_bytes": f"{size(round(value))} resident at most",
        "joules_per_token": f"{value:.3g} J a generated token, all processors",
    }[figure.name]


def ratio(share: float) -> str:
    """Write a ratio to the base with two decimals."""
    return f"{share:.2f}"


def plural(count: int, noun: str) -> str:
    """Write a count with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def visible(text: str) -> str:
    """Return text in which nothing hides: controls, lone surrogates and bidi marks become symbols.

    Line breaks and tabs stay. What a model said must neither break the page nor reorder it.
    """
    return _UNSEEN.sub(lambda match: _symbol(match.group()), text)


def one_line(text: str, most_characters: int = 100) -> str:
    """Return the beginning of what a model said as one line, in which nothing hides."""
    line = " ".join(visible(text).split())
    return line if len(line) <= most_characters else f"{line[:most_characters]}…"


def _symbol(character: str) -> str:
    code = ord(character)
    if code < _SPACE:
        return chr(_CONTROL_PICTURES + code)
    name = unicodedata.name(character, "")
    return f"\u27e8U+{code:04X}{' ' + name if name else ''}\u27e9"
