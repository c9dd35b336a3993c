"""Normal forms of text: what may differ between two texts that mean the same."""
# ruff: noqa: RUF001 - the characters are what texts are written in

import re
import unicodedata
from collections.abc import Collection
from typing import Literal

from quantgate.pipelines.evaluation.invisible import without_invisible_ends

LevelledDifference = Literal["case", "punctuation", "whitespace", "articles", "width"]
"""What an expectation can be told to overlook."""

_WIDE = re.compile("[\uff01-\uffee\u3000]+")
_DRESSED = re.compile("[\u249c-\u24e9\U0001d400-\U0001d7ff\U0001f110-\U0001f149]+")
"""Letters in circles, brackets and squares, and those of mathematics."""
_ARTICLE = re.compile(r"(?<!\w)(?:an?|the)(?!\w)", re.IGNORECASE)
_SPACES = re.compile(r"\s+")
_MEANINGFUL = frozenset("%‰&@#/\\§")
"""Punctuation by its Unicode category, and part of the meaning all the same: C#, 50 %, a/b."""


def normal_form(text: str, ignored: Collection[LevelledDifference]) -> str:
    """Return `text` in NFC without surrounding whitespace, unseen ends and the `ignored` differences.

    `width` makes full-width Latin and half-width katakana ordinary, and nothing else of NFKC, which
    would also make `x²` of `x2`. `articles` are English ones. Runs of whitespace become one space
    where whitespace, punctuation or articles are ignored; `a b` never becomes `ab`.
    """
    text = without_invisible_ends(unicodedata.normalize("NFC", text))
    if "width" in ignored:
        text = ordinary_width(text)
    if "case" in ignored:
        text = unicodedata.normalize("NFC", text.casefold())
    if "punctuation" in ignored:
        text = _without_punctuation(text)
    if "articles" in ignored:
        text = _ARTICLE.sub(" ", text)
    if {"whitespace", "punctuation", "articles"} & set(ignored):
        text = _SPACES.sub(" ", text)
    return text.strip()


def ordinary_width(text: str) -> str:
    """Return `text` with full-width Latin and half-width katakana made ordinary."""
    return _WIDE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


def plain_letters(text: str) -> str:
    """Return `text` with letters that are wide, in circles or mathematical made ordinary."""
    return ordinary_width(_DRESSED.sub(lambda m: unicodedata.normalize("NFKC", m[0]), text))


def _without_punctuation(text: str) -> str:
    kept = [
        _kept(character, text[index - 1 : index], text[index + 1 : index + 2])
        if unicodedata.category(character)[0] == "P"
        else character
        for index, character in enumerate(text)
    ]
    return "".join(kept)


def _kept(mark: str, before: str, after: str) -> str:
    """Keep what a number or a name is made of; an apostrophe in a word vanishes, a dash parts words."""
    if mark in _MEANINGFUL:
        return mark
    if after.isdecimal() and (before.isdecimal() or ((mark in "-–.,") and not before.isalnum())):
        return mark
    return "" if mark in "'’" and before.isalpha() and after.isalpha() else " "
