"""How much of an expected JSON value is in an answer: leaf by leaf, at every depth.

A leaf is a text, number, boolean, null, or an empty object or array. Its depth is the number of objects and
arrays around it: 2 for `$.address.city` as for `$.tags[0]`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from quantgate.pipelines.domain.values import JsonObject, JsonValue, canonical_json
from quantgate.pipelines.evaluation.graders.reading.matching import MOST, best_pairs
from quantgate.pipelines.evaluation.graders.reading.strict_json import first_difference

DEEPEST = 3
"""Leaves from here on are counted together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRules:
    """How fields are compared.

    `subset` lets an answer have more keys and, in unordered arrays, more elements than expected.
    `unordered` are arrays whose order does not count: `$.items`, `$.orders[*].tags`, `*` for all.
    A number is right within `absolute` or within `relative` times the expected one.
    """

    match: Literal["exact", "subset"] = "exact"
    unordered: tuple[str, ...] = ()
    absolute: float = 0.0
    relative: float = 0.0

    def same_number(self, actual: float, expected: float) -> bool:
        """Say whether a number is near enough. Never overflows: numbers too large are compared whole."""
        if actual == expected:
            return True
        try:
            margin = max(self.absolute, self.relative * abs(expected))
            return abs(actual - expected) <= margin
        except OverflowError:
            return False


@dataclass(slots=True)
class LeafTally:
    """Leaves by depth: how many there are, and how many are right."""

    total: Counter[int] = field(default_factory=Counter)
    right: Counter[int] = field(default_factory=Counter)

    def add(self, depth: int, *, right: bool, count: int = 1) -> None:
        """Count leaves at a depth."""
        at = min(max(depth, 1), DEEPEST)
        self.total[at] += count
        self.right[at] += count * right

    def take(self, other: "LeafTally") -> None:
        """Add another tally's leaves."""
        self.total += other.total
        self.right += other.right

    @property
    def share(self) -> float:
        """The share of right leaves; 1 where there are none."""
        return self.right.total() / self.total.total() if self.total else 1.0


def tallied(expected: JsonValue, actual: JsonValue, rules: FieldRules) -> LeafTally:
    """Compare normalized values; what an answer has too much counts as wrong leaves, where not `subset`."""
    return _tally(expected, actual, rules, "$", 0)


def difference(expected: JsonValue, actual: JsonValue, rules: FieldRules) -> str | None:
    """Say what is wrong first, in the order of `expected`, or None where every leaf is right."""
    return _difference(expected, actual, rules, "$", "$")


def nothing_right(expected: JsonValue) -> LeafTally:
    """Return the tally of an answer that has none of the expected leaves."""
    tally = LeafTally()
    _count(expected, 0, tally)
    return tally


def _tally(
    expected: JsonValue, actual: JsonValue, rules: FieldRules, pattern: str, depth: int
) -> LeafTally:
    tally = LeafTally()
    if (
        _filled_objects(expected, actual)
        and isinstance(expected, dict)
        and isinstance(actual, dict)
    ):
        for key, value in expected.items():
            if key in actual:
                tally.take(_tally(value, actual[key], rules, f"{pattern}.{key}", depth + 1))
            else:
                _count(value, depth + 1, tally)
        _count_all(_extra_keys(expected, actual, rules), depth + 1, tally)
    elif (
        _filled_arrays(expected, actual) and isinstance(expected, list) and isinstance(actual, list)
    ):
        pairs, extra = _paired(expected, actual, rules, pattern, depth)
        for element, got in pairs:
            if got is None:
                _count(element, depth + 1, tally)
            else:
                tally.take(_tally(element, got[0], rules, f"{pattern}[*]", depth + 1))
        _count_all(extra, depth + 1, tally)
    elif _is_leaf(expected):
        tally.add(depth, right=_same_leaf(expected, actual, rules))
    else:
        _count(expected, depth, tally)
    return tally


def _difference(
    expected: JsonValue, actual: JsonValue, rules: FieldRules, path: str, pattern: str
) -> str | None:
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in expected:
            if key not in actual:
                return f"missing field {path}.{key}"
        for key in actual if rules.match == "exact" else ():
            if key not in expected:
                return f"extra field {path}.{key}"
        each = (
            _difference(value, actual[key], rules, f"{path}.{key}", f"{pattern}.{key}")
            for key, value in expected.items()
        )
        return next((problem for problem in each if problem), None)
    if isinstance(expected, list) and isinstance(actual, list):
        return _array_difference(expected, actual, rules, path, pattern)
    if _is_leaf(expected) and _same_leaf(expected, actual, rules):
        return None
    return first_difference(expected, actual, path)


def _array_difference(
    expected: list[JsonValue],
    actual: list[JsonValue],
    rules: FieldRules,
    path: str,
    pattern: str,
) -> str | None:
    loose = _is_unordered(pattern, rules)
    if len(expected) != len(actual) and not (loose and _may_have_more(expected, actual, rules)):
        return f"wrong length at {path}: {len(actual)} elements instead of {len(expected)}"
    pairs, _ = _paired(expected, actual, rules, pattern, 0)
    for at, (element, got) in enumerate(pairs):
        if got is None:
            return f"missing element {path}[{at}]"
        inner = _difference(element, got[0], rules, f"{path}[{at}]", f"{pattern}[*]")
        if inner:
            return inner
    return None


_Pairs = list[tuple[JsonValue, tuple[JsonValue] | None]]


def _paired(
    expected: list[JsonValue],
    actual: list[JsonValue],
    rules: FieldRules,
    pattern: str,
    depth: int,
) -> tuple[_Pairs, list[JsonValue]]:
    """Return each expected element with its found one, and the found ones that are too many."""
    if not _is_unordered(pattern, rules):
        gap = max(0, len(expected) - len(actual))
        got: list[tuple[JsonValue] | None] = [(element,) for element in actual[: len(expected)]]
        return list(zip(expected, got + [None] * gap, strict=True)), actual[len(expected) :]
    chosen = _equal_elements(expected, actual)
    rest = [at for at in range(len(expected)) if at not in chosen]
    taken = set(chosen.values())
    free = [at for at in range(len(actual)) if at not in taken]
    weights = [
        [_likeness(expected[a], actual[b], rules, pattern, depth) for b in free[:MOST]]
        for a in rest[:MOST]
    ]
    for a, column in zip(rest, best_pairs(weights), strict=False):
        if column is not None:
            chosen[a] = free[column]
    taken = set(chosen.values())
    pairs: _Pairs = [
        (element, (actual[chosen[at]],) if at in chosen else None)
        for at, element in enumerate(expected)
    ]
    left = [element for at, element in enumerate(actual) if at not in taken]
    return pairs, [] if rules.match == "subset" else left


def _equal_elements(expected: list[JsonValue], actual: list[JsonValue]) -> dict[int, int]:
    """Pair equal elements: no other pairing has more right leaves than one that keeps them together."""
    places: dict[str, list[int]] = {}
    for at in reversed(range(len(actual))):
        places.setdefault(canonical_json(actual[at]), []).append(at)
    chosen: dict[int, int] = {}
    for at, element in enumerate(expected):
        if same := places.get(canonical_json(element)):
            chosen[at] = same.pop()
    return chosen


def _likeness(
    expected: JsonValue, actual: JsonValue, rules: FieldRules, pattern: str, depth: int
) -> float:
    """Right leaves less a little for wrong ones; a whole match counts more than parts of two."""
    tally = _tally(expected, actual, rules, f"{pattern}[*]", depth + 1)
    right, total = tally.right.total(), tally.total.total()
    return right + (1.0 if right == total else 0.0) + 1.0 / (2.0 + total)


def _is_unordered(pattern: str, rules: FieldRules) -> bool:
    return "*" in rules.unordered or pattern in rules.unordered


def _may_have_more(expected: list[JsonValue], actual: list[JsonValue], rules: FieldRules) -> bool:
    return rules.match == "subset" and len(actual) > len(expected)


def _extra_keys(expected: JsonObject, actual: JsonObject, rules: FieldRules) -> Iterator[JsonValue]:
    if rules.match == "exact":
        yield from (value for key, value in actual.items() if key not in expected)


def _filled_objects(expected: JsonValue, actual: JsonValue) -> bool:
    return isinstance(expected, dict) and isinstance(actual, dict) and bool(expected or actual)


def _filled_arrays(expected: JsonValue, actual: JsonValue) -> bool:
    return isinstance(expected, list) and isinstance(actual, list) and bool(expected or actual)


def _is_leaf(value: JsonValue) -> bool:
    return not isinstance(value, dict | list) or not value


def _same_leaf(expected: JsonValue, actual: JsonValue, rules: FieldRules) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, int | float) and isinstance(actual, int | float):
        return rules.same_number(actual, expected)
    return type(expected) is type(actual) and expected == actual


def _count(value: JsonValue, depth: int, tally: LeafTally) -> None:
    """Count all leaves of a value as wrong."""
    if _is_leaf(value):
        tally.add(depth, right=False)
    else:
        inner = value.values() if isinstance(value, dict) else value
        _count_all(inner if isinstance(inner, Iterable) else (), depth + 1, tally)


def _count_all(values: Iterable[JsonValue], depth: int, tally: LeafTally) -> None:
    for value in values:
        _count(value, depth, tally)
