"""Characters that nobody sees: marks of direction, spaces without width, marks of byte order."""

import re

INVISIBLE = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
"""As a class of a regular expression."""

_BEFORE = re.compile(rf"(?:\s*[{INVISIBLE}])+")
_AFTER = re.compile(rf"[\s{INVISIBLE}]*")
_ANY = re.compile(f"[{INVISIBLE}]")
_ANYWHERE = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]"
)
"""Not the joiners U+200C and U+200D, which change how Persian and Hindi words are read."""


def without_invisible_ends(text: str) -> str:
    """Return `text` without such characters at its ends; ordinary spaces before its first line stay."""
    if before := _BEFORE.match(text):
        text = text[before.end() :]
    after = _AFTER.match(text[::-1])
    if after and _ANY.search(after[0]):
        text = text[: len(text) - after.end()]
    return text


def without_invisible(text: str) -> str:
    """Return `text` without such characters anywhere, joiners inside words aside."""
    return _ANYWHERE.sub("", text)
