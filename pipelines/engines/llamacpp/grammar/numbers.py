"""Ranges of integers as GBNF: a grammar reads digits, so a range becomes a few patterns of digits."""

import math
from collections.abc import Iterator

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject

_LARGEST = 10**16 - 1
"""Integers get at most sixteen digits, which is what a double holds exactly."""


def integer_rule(schema: JsonObject) -> str | None:
    """Return the expression of the integers within a schema's bounds; None where it has no bounds.

    Raises:
        InputError: where no integer is within them.
    """
    bounds = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    if not any(isinstance(schema.get(bound), int | float) for bound in bounds):
        return None
    low = max(_lowest(schema), -_LARGEST)
    high = min(_highest(schema), _LARGEST)
    if low > high:
        raise InputError("the JSON schema's bounds leave no integer: no answer could meet it")
    parts = []
    if low < 0:
        below = _digits(max(1, -high), -low)
        parts.append(f'"-" ({" | ".join(below)})')
    if high >= 0:
        parts += _digits(max(0, low), high)
    return f"({' | '.join(parts)})"


def _lowest(schema: JsonObject) -> int:
    found = [-_LARGEST]
    if isinstance(at_least := schema.get("minimum"), int | float):
        found.append(math.ceil(at_least))
    if isinstance(above := schema.get("exclusiveMinimum"), int | float):
        found.append(math.floor(above) + 1)
    return max(found)


def _highest(schema: JsonObject) -> int:
    found = [_LARGEST]
    if isinstance(at_most := schema.get("maximum"), int | float):
        found.append(math.floor(at_most))
    if isinstance(below := schema.get("exclusiveMaximum"), int | float):
        found.append(math.ceil(below) - 1)
    return min(found)


def _digits(low: int, high: int) -> list[str]:
    """Return patterns whose texts are the numbers from `low` to `high`, both at least 0, each once."""
    return [pattern for first, last in _by_length(low, high) for pattern in _same(first, last)]


def _by_length(low: int, high: int) -> Iterator[tuple[str, str]]:
    while len(str(low)) < len(str(high)):
        yield str(low), "9" * len(str(low))
        low = 10 ** len(str(low))
    yield str(low), str(high)


def _same(low: str, high: str) -> Iterator[str]:
    """Numbers of one length: by their first digit, the rest free wherever it lies between the ends."""
    if not low:
        yield '""'
        return
    rest = len(low) - 1
    if low[1:] == "0" * rest and high[1:] == "9" * rest:
        yield _class(low[0], high[0]) + (f" [0-9]{{{rest}}}" if rest else "")
        return
    if low[0] == high[0]:
        yield from (f'"{low[0]}" {inner}' for inner in _same(low[1:], high[1:]))
        return
    yield from (f'"{low[0]}" {inner}' for inner in _same(low[1:], "9" * rest))
    if int(low[0]) + 1 < int(high[0]):
        middle = _class(str(int(low[0]) + 1), str(int(high[0]) - 1))
        yield middle + (f" [0-9]{{{rest}}}" if rest else "")
    yield from (f'"{high[0]}" {inner}' for inner in _same("0" * rest, high[1:]))


def _class(first: str, last: str) -> str:
    return f'"{first}"' if first == last else f"[{first}-{last}]"
