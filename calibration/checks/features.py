"""What kinds of writing a text holds: scripts, digits, JSON, calls, code, symbols; counted by character."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy

from quantgate.pipelines.language.code_points import CodePointTable

Shares = Mapping[str, float]

DIGITS, LETTERS = "digits", "letters"
_ACCENTED, _OTHER_LETTERS = f"accented latin {LETTERS}", f"other {LETTERS}"
_BREAKS, _EMOJI, _OTHER = "line breaks", "emoji", "other symbols"
_JSON_SIGNS, _CODE_SIGNS, _PLAIN_SIGNS = (
    f"{which} punctuation" for which in ("JSON", "code", "plain")
)
_JSON = '{}[]":'
_CODE = "<>=+*/\\|&%$#@~^`_;()"
_PLAIN = ".,!?'-"
_CALL = re.compile(
    r"\{[^{}]{0,400}\"(?:name|arguments|parameters|function)\"\s*:|<tool_call>|<\|python_tag\|>"
)
_SCRIPTS = (
    "LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "BENGALI", "TAMIL", "TELUGU", "GUJARATI",
    "GURMUKHI", "KANNADA", "MALAYALAM", "SINHALA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "GEORGIAN",
    "ARMENIAN", "ETHIOPIC", "HANGUL", "HIRAGANA", "KATAKANA", "CJK",
)  # fmt: skip


_LETTERS_OF = {script: f"{script.lower()} {LETTERS}" for script in _SCRIPTS}
_NAMES = sorted({
    *("", DIGITS, _BREAKS, _JSON_SIGNS, _CODE_SIGNS, _PLAIN_SIGNS, _EMOJI, _OTHER),
    *(_ACCENTED, _OTHER_LETTERS, *_LETTERS_OF.values()),
})  # fmt: skip
"""All kinds; spaces and what is not assigned have none, which is the empty name."""


def kinds_of(texts: Iterable[str]) -> Counter[str]:
    """Count characters of some texts by kind; spaces are left out.

    Kinds are `latin letters`, `accented latin letters`, those of other scripts, `digits`,
    `JSON punctuation`, `code punctuation`, `plain punctuation`, `line breaks`, `emoji` and `other symbols`.
    """
    counts = numpy.zeros(len(_NAMES), dtype=numpy.int64)
    for text in texts:
        codes = numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=numpy.uint32)
        counts += numpy.bincount(_KINDS.of(codes), minlength=len(_NAMES))
    by_name = dict(zip(_NAMES, counts.tolist(), strict=True))
    by_name.pop("")
    return Counter({name: count for name, count in by_name.items() if count})


def shares(counts: Mapping[str, int]) -> Shares:
    """Return each kind's share of all characters counted."""
    total = sum(counts.values())
    return {name: count / total for name, count in counts.items()} if total else {}


def calls_in(text: str) -> int:
    """Count beginnings of tool calls, as models write them."""
    return len(_CALL.findall(text)) if "{" in text or "<" in text else 0


def _kind(code: int) -> str:
    """Return the kind of a code point; unassigned ones and spaces have none."""
    character = chr(code)
    category = unicodedata.category(character)
    if character == "\n":
        return _BREAKS
    if category[0] in "ZC":
        return ""
    if category == "Nd":
        return DIGITS
    if category[0] in "LM":
        return _letters(code, unicodedata.name(character, ""))
    if character in _JSON:
        return _JSON_SIGNS
    if character in _CODE:
        return _CODE_SIGNS
    if character in _PLAIN:
        return _PLAIN_SIGNS
    return _EMOJI if 0x1F000 <= code <= 0x1FAFF else _OTHER


def _letters(code: int, name: str) -> str:
    script = name.partition(" ")[0]
    if script == "LATIN" and code >= 128:
        return _ACCENTED
    return _LETTERS_OF.get(script, _OTHER_LETTERS)


_PLACES = {name: place for place, name in enumerate(_NAMES)}
_KINDS = CodePointTable(lambda code: _PLACES[_kind(code)])
