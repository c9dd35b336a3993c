"""Strict JSON for graders: what a lenient parser would wave through is refused with a reason.

Python's `json` keeps the last of two equal keys, reads NaN and Infinity, and turns `1e999` into
infinity. A tool router need not agree with any of that, so here each is an answer that is no JSON.
"""

import json
import math
import unicodedata
from dataclasses import dataclass

from quantgate.pipelines.domain.values import JsonObject, JsonValue, canonical_json
from quantgate.pipelines.evaluation.graders.reading.wording import shorten

_MAX_DEPTH = 100
_WHITESPACE = " \t\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A parsed and normalized JSON value."""

    value: JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why a text is not strict JSON, in a few words."""

    reason: str


class _NotStrictError(ValueError):
    """Raised by the parser's hooks; never leaves this module."""


def parse_strictly(text: str) -> Parsed | Refused:
    """Parse text that is one JSON value and nothing else, surrounding JSON whitespace aside.

    Refused: trailing text, a key given twice, NaN, infinities, numbers that overflow a double or
    have more digits than Python converts (4300), and nesting deeper than 100 levels.
    """
    stripped = text.strip(_WHITESPACE)
    if not stripped:
        return Refused(reason="the answer is empty")
    try:
        value, end = _DECODER.raw_decode(stripped)
    except json.JSONDecodeError as error:
        if error.pos == 0:
            return Refused(reason=f"not JSON: it begins with {shorten(stripped)!r}")
        return Refused(reason=f"not JSON: {error.msg} at character {error.pos}")
    except _NotStrictError as error:
        return Refused(reason=f"not strict JSON: {error}")
    except ValueError:
        return Refused(reason="not strict JSON: a number has too many digits")
    except RecursionError:
        return _TOO_DEEP
    if end != len(stripped):
        return Refused(reason=f"text after the JSON value: {shorten(stripped[end:].strip())!r}")
    if _deeper_than(value, _MAX_DEPTH):
        return _TOO_DEEP
    return Parsed(value=normalize(value))


def normalize(value: JsonValue) -> JsonValue:
    """Return `value` with whole floats as integers, tuples as lists and texts in Unicode NFC.

    After this, equal numbers have equal canonical JSON: 1, 1.0 and 1e0 are one number, as JSON
    itself makes no difference. Booleans stay apart from numbers.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, list | tuple):
        return [normalize(element) for element in value]
    if isinstance(value, dict):
        return {key: normalize(element) for key, element in value.items()}
    return value


def first_difference(expected: JsonValue, actual: JsonValue, path: str) -> str | None:
    """Say what differs first between two normalized values, or None where they are equal.

    Order: a missing key, an extra key, then values in the order of `expected`. Strings are compared
    code point by code point, since that is what a tool receives. Paths read `$.items[2].sku`.
    """
    if isinstance(expected, dict) and isinstance(actual, dict):
        return _object_difference(expected, actual, path)
    if isinstance(expected, list) and isinstance(actual, list):
        return _array_difference(expected, actual, path)
    if _kind(expected) != _kind(actual):
        return (
            f"wrong type at {path}: {_kind(actual)} {show(actual)}"
            f" instead of {_kind(expected)} {show(expected)}"
        )
    if expected != actual:
        return f"wrong value at {path}: {show(actual)} instead of {show(expected)}"
    return None


def _object_difference(expected: JsonObject, actual: JsonObject, path: str) -> str | None:
    for key in expected:
        if key not in actual:
            return f"missing argument {member(path, key)}"
    for key in actual:
        if key not in expected:
            return f"extra argument {member(path, key)}"
    differences = (
        first_difference(value, actual[key], member(path, key)) for key, value in expected.items()
    )
    return next((difference for difference in differences if difference), None)


def _array_difference(expected: list[JsonValue], actual: list[JsonValue], path: str) -> str | None:
    if len(expected) != len(actual):
        return f"wrong length at {path}: {len(actual)} elements instead of {len(expected)}"
    differences = (
        first_difference(expected_element, actual_element, f"{path}[{index}]")
        for index, (expected_element, actual_element) in enumerate(
            zip(expected, actual, strict=True)
        )
    )
    return next((difference for difference in differences if difference), None)


def _kind(value: JsonValue) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, dict) else "array"


def show(value: JsonValue) -> str:
    """Return a value as reasons name it, shortened."""
    return shorten(canonical_json(value))


def member(path: str, key: str) -> str:
    """Return the path of an object's member: `$.name`, or `$["any text"]`."""
    return f"{path}.{key}" if key.isidentifier() else f"{path}[{shorten(canonical_json(key))}]"


def _deeper_than(value: JsonValue, limit: int) -> bool:
    """Walk level by level: recursion would let the answer depend on the caller's stack."""
    level: list[JsonValue] = [value]
    for _ in range(limit + 1):
        level = [
            child
            for parent in level
            for child in (
                parent.values()
                if isinstance(parent, dict)
                else parent
                if isinstance(parent, list)
                else ()
            )
        ]
        if not level:
            return False
    return True


def _unique_keys(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _NotStrictError(f"key {shorten(twice)!r} is given twice")
    return unique


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _NotStrictError(f"number {shorten(digits)} is out of range")
    return number


def _no_constant(name: str) -> float:
    raise _NotStrictError(f"{name} is not JSON")


_TOO_DEEP = Refused(reason=f"nested deeper than {_MAX_DEPTH} levels")
_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_keys, parse_float=_finite, parse_constant=_no_constant
)
