"""What kinds of writing a text holds: scripts, digits, JSON, calls, code, symbols; counted by character."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy
from numpy.typing import NDArray

Shares = Mapping[str, float]

DIGITS, LETTERS = "digits", "letters"
_OTHER = "other symbols"
_JSON = '{}[]":'
_CODE = "<>=+*/\\|&%$#@~^`_;()"
_PLAIN = ".,!?'-"
_CALL = re.compile(
    r"\{[^{}]{0,400}\"(?:name|arguments|parameters|function)\"\s*:|<tool_call>|<\|python_tag\|>"
)
_CODE_POINTS = 0x110000
_SCRIPTS = (
    "LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "BENGALI", "TAMIL", "TELUGU", "GUJARATI",
    "GURMUKHI", "KANNADA", "MALAYALAM", "SINHALA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "GEORGIAN",
    "ARMENIAN", "ETHIOPIC", "HANGUL", "HIRAGANA", "KATAKANA", "CJK",
)  # fmt: skip


def kinds_of(texts: Iterable[str]) -> Counter[str]:
    """Count characters of some texts by kind; spaces are left out.

    Kinds are `latin letters`, `accented latin letters`, those of other scripts, `digits`,
    `JSON punctuation`, `code punctuation`, `plain punctuation`, `line breaks`, `emoji` and `other symbols`.
    """
    names, table = _table()
    counts = numpy.zeros(len(names), dtype=numpy.int64)
    for text in texts:
        codes = numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=numpy.uint32)
        counts += numpy.bincount(table[codes], minlength=len(names))
    by_name = dict(zip(names, counts.tolist(), strict=True))
    by_name.pop("")
    return Counter({name: count for name, count in by_name.items() if count})


def shares(counts: Mapping[str, int]) -> Shares:
    """Return each kind's share of all characters counted."""
    total = sum(counts.values())
    return {name: count / total for name, count in counts.items()} if total else {}


def calls_in(text: str) -> int:
    """Count beginnings of tool calls, as models write them."""
    return len(_CALL.findall(text)) if "{" in text or "<" in text else 0


@lru_cache(maxsize=1)
def _table() -> tuple[list[str], NDArray[numpy.uint8]]:
    """Names of kinds, and each code point's kind; unassigned ones and spaces have none."""
    kinds = [_kind(code) for code in range(_CODE_POINTS)]
    names = sorted(set(kinds))
    places = {name: place for place, name in enumerate(names)}
    return names, numpy.array([places[kind] for kind in kinds], dtype=numpy.uint8)


def _kind(code: int) -> str:
    character = chr(code)
    category = unicodedata.category(character)
    if character == "\n":
        return "line breaks"
    if category[0] in "ZC":
        return ""
    if category == "Nd":
        return DIGITS
    if category[0] in "LM":
        return _letters(code, unicodedata.name(character, ""))
    if character in _JSON:
        return "JSON punctuation"
    if character in _CODE:
        return "code punctuation"
    if character in _PLAIN:
        return "plain punctuation"
    return "emoji" if 0x1F000 <= code <= 0x1FAFF else _OTHER


def _letters(code: int, name: str) -> str:
    first = name.partition(" ")[0]
    if first == "LATIN":
        return f"latin {LETTERS}" if code < 128 else f"accented latin {LETTERS}"
    return f"{first.lower()} {LETTERS}" if first in _SCRIPTS else f"other {LETTERS}"
