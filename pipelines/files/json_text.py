"""JSON that people and tools wrote, read strictly (RFC 8259), within bounds, with the line of what is wrong.

Python's `json` keeps the last of two equal keys, reads NaN, turns `1e999` into infinity and `"\\ud800"` into
text that cannot be written, and ends in a RecursionError where brackets nest. Here each is one sentence.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import cast

from quantgate.pipelines.domain.values import JsonObject, JsonValue

DEEPEST = 100
"""Levels of objects and lists; what people write has ten."""

_TOKENS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]:,]', re.DOTALL)
_HALF_CHARACTERS = re.compile("[\ud800-\udfff]")
_HALF_ESCAPES = re.compile(r"\\u[dD][89a-fA-F]")
_OPENING = ("{", "[")
_WHITESPACE = " \t\r\n"
_SHOWN_CHARACTERS = 60
_MOST_DIGITS = 308
"""Whole numbers of more have no double, which is what other programs read them as."""


class JsonTextError(ValueError):
    """What is wrong with a text that is to be JSON; `line` counts from 1."""

    def __init__(self, what: str, line: int = 1) -> None:
        """Say what is wrong, and in which line of the text."""
        super().__init__(what)
        self.line = line


class KeyTwiceError(JsonTextError):
    """An object names a key twice, so that one of its values would be lost."""


class _TwiceError(ValueError):
    """A key stands twice in one object; never leaves this module."""


class _NumberError(ValueError):
    """A number that JSON or a double does not have; never leaves this module."""


def parse_json(text: str) -> JsonValue:
    """Return the one JSON value that a text is, as people write it.

    Raises:
        JsonTextError: where it is none; for all that `parse_structure` refuses, and null characters.
    """
    value = parse_structure(text)
    if "\\u0000" in text and any("\0" in part for part in _texts(value)):
        raise JsonTextError("a text has a null character (\\u0000)")
    return value


def parse_structure(text: str) -> JsonValue:
    """Return the one JSON value that a text is; its texts may hold null characters, as vocabularies do.

    Raises:
        KeyTwiceError: for a key given twice in one object.
        JsonTextError: where it is none; for NaN, infinities, numbers beyond a double, half
            of a surrogate pair, more than 100 levels.
    """
    try:
        value = _decoded(text)
    except RecursionError:
        raise _too_deep(text) from None
    except json.JSONDecodeError as error:
        raise JsonTextError(_syntax(error, text), error.lineno) from error
    except _TwiceError as error:
        key, line = _first_twice(text)
        raise KeyTwiceError(f"key '{_short(key)}' stands here twice", line) from error
    except _NumberError as error:
        number = str(error)
        raise JsonTextError(
            f"{_short(number)} is no number that a program can hold", _line_of(text, number)
        ) from error
    if text.count("[") + text.count("{") > DEEPEST and _is_too_deep(value):
        raise _too_deep(text)
    if _may_have_halves(text):
        for part in _texts(value):
            if half := _HALF_CHARACTERS.search(part):
                raise JsonTextError(f"a text has half a character (\\u{ord(half[0]):04x} alone)")
    return value


def _decoded(text: str) -> JsonValue:
    """Rows of corpora come in millions, so what `decode` spends on whitespace around a row is spared."""
    if text[:1] in _OPENING:
        value, end = _DECODER.raw_decode(text)
        if not text[end:].strip(_WHITESPACE):
            return cast("JsonValue", value)
    return cast("JsonValue", _DECODER.decode(text))


def _may_have_halves(text: str) -> bool:
    if "\\" in text and _HALF_ESCAPES.search(text):
        return True
    try:
        text.encode()  # several times faster than to search for the characters themselves
    except UnicodeEncodeError:
        return True
    return False


def _is_too_deep(value: JsonValue) -> bool:
    """Walk level by level, which no stack bounds."""
    level: list[JsonValue] = [value]
    for _ in range(DEEPEST + 1):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return False
    return True


def _too_deep(text: str) -> JsonTextError:
    depth = 0
    for token, line in _tokens(text):
        depth += (token in "{[") - (token in "}]")
        if depth > DEEPEST:
            return JsonTextError(f"is nested deeper than {DEEPEST} levels", line)
    return JsonTextError(f"is nested deeper than {DEEPEST} levels")


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """Yield brackets, colons, commas and strings in order, each with its line."""
    line, counted = 1, 0
    for match in _TOKENS.finditer(text):
        line += text.count("\n", counted, match.start())
        counted = match.start()
        yield match[0], line


def _first_twice(text: str) -> tuple[str, int]:
    """Return the first key that its object already has, and the line where it stands again."""
    objects: list[set[str] | None] = []
    before = ("", 1)
    for token, line in _tokens(text):
        if token in "{[":
            objects.append(set() if token == "{" else None)
        elif token in "}]" and objects:
            objects.pop()
        elif token == ":" and objects and (keys := objects[-1]) is not None:
            key = str(json.loads(before[0]))
            if key in keys:
                return key, before[1]
            keys.add(key)
        before = (token, line)
    return "", 1


def _texts(value: JsonValue) -> Iterator[str]:
    """Yield all texts, keys included, level by level: depth is bounded by now, width is not."""
    level: list[JsonValue] = [value]
    while level:
        children: list[JsonValue] = []
        for part in level:
            if isinstance(part, str):
                yield part
            elif isinstance(part, dict):
                children += [*part.keys(), *part.values()]
            elif isinstance(part, list):
                children += part
        level = children


def _syntax(error: json.JSONDecodeError, text: str) -> str:
    if not text.strip():
        return "is empty"
    where = f"column {error.colno}"
    return f"{error.msg[0].lower()}{error.msg[1:]} ({where})"


def _line_of(text: str, part: str) -> int:
    return text.count("\n", 0, max(text.find(part), 0)) + 1


def _short(text: str) -> str:
    shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
    return shown.encode("utf-8", "backslashreplace").decode()


def _unique_keys(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise _TwiceError
    return unique


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _NumberError(digits)
    return number


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise _NumberError(digits)
    return int(digits)


def _no_constant(name: str) -> float:
    raise _NumberError(name)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_keys,
    parse_float=_finite,
    parse_int=_whole,
    parse_constant=_no_constant,
)
