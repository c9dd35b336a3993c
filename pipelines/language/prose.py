"""An answer's prose, without code, addresses, formulas and foreign names, and its sentences."""

# ruff: noqa: RUF001 - the characters are what texts are written in

import re
from collections.abc import Iterator

_NOT_PROSE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]{1,300}`|\bhttps?://\S+|\bwww\.\S+|[^\s@]{1,64}+@[^\s@]{1,64}|</?\w[^<>\n]{0,200}>"
    r"|\$\$.*?\$\$|\$[^$\n]{1,300}\$(?!\d)|\\[a-zA-Z]{2,30}",
    re.DOTALL,
)
_NAME = re.compile(
    r"(?<![A-Za-z])(?:[A-Z][\w.'’&-]{0,30}|[a-z]{1,3}[A-Z]\w{0,30})(?: (?:[A-Z][\w.'’&-]{0,30}|\d{1,6})){0,2}"
)
_SENTENCE = re.compile(r"[^.!?。！？।\n]+(?:[.!?。！？।]+|\n|\Z)")
_FEWEST_LETTERS = 16
"""Shorter sentences are read with the next one; their language is anybody's guess."""


def prose(text: str) -> str:
    """Return what of a text is prose: no code, addresses, markup or formulas."""
    return _NOT_PROSE.sub(" ", text)


def without_latin_names(text: str) -> str:
    """Return `text` without capitalized Latin words, at most three in a row: product and person names."""
    return _NAME.sub(" ", text)


def passages(text: str) -> Iterator[str]:
    """Yield sentences, short ones together with what follows them."""
    held = ""
    for match in _SENTENCE.finditer(text):
        held += match[0]
        if sum(character.isalpha() for character in held) >= _FEWEST_LETTERS:
            yield held
            held = ""
    if held.strip():
        yield held
