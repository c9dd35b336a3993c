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

    def same_number(self, found: float, expected: float) -> bool:
        """Say whether a number is near enough. Never overflows: numbers too large are compared whole."""
        if found == expected:
            return True
        try:
            margin = max(self.absolute, self.relative * abs(expected))
            return abs(found - expected) <= margin
        except OverflowError:
            return False


@dataclass(slots=True)
class Tally:
    """Leaves by depth: how many there are, and how many are right."""

    total: Counter[int] = field(default_factory=Counter)
    right: Counter[int] = field(default_factory=Counter)

    def add(self, depth: int, *, right: bool, count: int = 1) -> None:
        """Count leaves at a depth."""
        at = min(max(depth, 1), DEEPEST)
        self.total[at] += count
        self.right[at] += count * right

    def take(self, other: "Tally") -> None:
        """Add another tally's leaves."""
        self.total += other.total
        self.right += other.right

    @property
    def share(self) -> float:
        """The share of right leaves; 1 where there are none."""
        return self.right.total() / self.total.total() if self.total else 1.0


def tallied(expected: JsonValue, found: JsonValue, rules: FieldRules) -> Tally:
    """Compare normalized values; what an answer has too much counts as wrong leaves, where not `subset`."""
    return _tally(expected, found, rules, "$", 0)


def difference(expected: JsonValue, found: JsonValue, rules: FieldRules) -> str | None:
    """Say what is wrong first, in the order of `expected`, or None where every leaf is right."""
    return _difference(expected, found, rules, "$", "$")


def nothing_found(expected: JsonValue) -> Tally:
    """Return the tally of an answer that has none of the expected leaves."""
    tally = Tally()
    _count(expected, 0, tally)
    return tally


def _tally(
    expected: JsonValue, found: JsonValue, rules: FieldRules, pattern: str, depth: int
) -> Tally:
    tally = Tally()
    if _filled_objects(expected, found) and isinstance(expected, dict) and isinstance(found, dict):
        for key, one in expected.items():
            if key in found:
                tally.take(_tally(one, found[key], rules, f"{pattern}.{key}", depth + 1))
            else:
                _count(one, depth + 1, tally)
        _count_all(_extra_keys(expected, found, rules), depth + 1, tally)
    elif _filled_arrays(expected, found) and isinstance(expected, list) and isinstance(found, list):
        pairs, extra = _paired(expected, found, rules, pattern, depth)
        for wanted, got in pairs:
            if got is None:
                _count(wanted, depth + 1, tally)
            else:
                tally.take(_tally(wanted, got[0], rules, f"{pattern}[*]", depth + 1))
        _count_all(extra, depth + 1, tally)
    elif _is_leaf(expected):
        tally.add(depth, right=_same_leaf(expected, found, rules))
    else:
        _count(expected, depth, tally)
    return tally


def _difference(
    expected: JsonValue, found: JsonValue, rules: FieldRules, path: str, pattern: str
) -> str | None:
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in expected:
            if key not in found:
                return f"missing field {path}.{key}"
        for key in found if rules.match == "exact" else ():
            if key not in expected:
                return f"extra field {path}.{key}"
        each = (
            _difference(one, found[key], rules, f"{path}.{key}", f"{pattern}.{key}")
            for key, one in expected.items()
        )
        return next((one for one in each if one), None)
    if isinstance(expected, list) and isinstance(found, list):
        return _array_difference(expected, found, rules, path, pattern)
    if _is_leaf(expected) and _same_leaf(expected, found, rules):
        return None
    return first_difference(expected, found, path)


def _array_difference(
    expected: list[JsonValue],
    found: list[JsonValue],
    rules: FieldRules,
    path: str,
    pattern: str,
) -> str | None:
    loose = _is_unordered(pattern, rules)
    if len(expected) != len(found) and not (loose and _may_have_more(expected, found, rules)):
        return f"wrong length at {path}: {len(found)} elements instead of {len(expected)}"
    pairs, _ = _paired(expected, found, rules, pattern, 0)
    for at, (wanted, got) in enumerate(pairs):
        if got is None:
            return f"missing element {path}[{at}]"
        inner = _difference(wanted, got[0], rules, f"{path}[{at}]", f"{pattern}[*]")
        if inner:
            return inner
    return None


_Pairs = list[tuple[JsonValue, tuple[JsonValue] | None]]


def _paired(
    expected: list[JsonValue],
    found: list[JsonValue],
    rules: FieldRules,
    pattern: str,
    depth: int,
) -> tuple[_Pairs, list[JsonValue]]:
    """Return each expected element with its found one, and the found ones that are too many."""
    if not _is_unordered(pattern, rules):
        gap = max(0, len(expected) - len(found))
        got: list[tuple[JsonValue] | None] = [(one,) for one in found[: len(expected)]]
        return list(zip(expected, got + [None] * gap, strict=True)), found[len(expected) :]
    chosen = _equal_elements(expected, found)
    rest = [at for at in range(len(expected)) if at not in chosen]
    taken = set(chosen.values())
    free = [at for at in range(len(found)) if at not in taken]
    weights = [
        [_likeness(expected[a], found[b], rules, pattern, depth) for b in free[:MOST]]
        for a in rest[:MOST]
    ]
    for a, column in zip(rest, best_pairs(weights), strict=False):
        if column is not None:
            chosen[a] = free[column]
    taken = set(chosen.values())
    pairs: _Pairs = [
        (one, (found[chosen[at]],) if at in chosen else None) for at, one in enumerate(expected)
    ]
    left = [one for at, one in enumerate(found) if at not in taken]
    return pairs, [] if rules.match == "subset" else left


def _equal_elements(expected: list[JsonValue], found: list[JsonValue]) -> dict[int, int]:
    """Pair equal elements: no other pairing has more right leaves than one that keeps them together."""
    places: dict[str, list[int]] = {}
    for at in reversed(range(len(found))):
        places.setdefault(canonical_json(found[at]), []).append(at)
    chosen: dict[int, int] = {}
    for at, one in enumerate(expected):
        if same := places.get(canonical_json(one)):
            chosen[at] = same.pop()
    return chosen


def _likeness(
    expected: JsonValue, found: JsonValue, rules: FieldRules, pattern: str, depth: int
) -> float:
    """Right leaves less a little for wrong ones; a whole match counts more than parts of two."""
    tally = _tally(expected, found, rules, f"{pattern}[*]", depth + 1)
    right, total = tally.right.total(), tally.total.total()
    return right + (1.0 if right == total else 0.0) + 1.0 / (2.0 + total)


def _is_unordered(pattern: str, rules: FieldRules) -> bool:
    return "*" in rules.unordered or pattern in rules.unordered


def _may_have_more(expected: list[JsonValue], found: list[JsonValue], rules: FieldRules) -> bool:
    return rules.match == "subset" and len(found) > len(expected)


def _extra_keys(expected: JsonObject, found: JsonObject, rules: FieldRules) -> Iterator[JsonValue]:
    if rules.match == "exact":
        yield from (one for key, one in found.items() if key not in expected)


def _filled_objects(expected: JsonValue, found: JsonValue) -> bool:
    return isinstance(expected, dict) and isinstance(found, dict) and bool(expected or found)


def _filled_arrays(expected: JsonValue, found: JsonValue) -> bool:
    return isinstance(expected, list) and isinstance(found, list) and bool(expected or found)


def _is_leaf(value: JsonValue) -> bool:
    return not isinstance(value, dict | list) or not value


def _same_leaf(expected: JsonValue, found: JsonValue, rules: FieldRules) -> bool:
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return rules.same_number(found, expected)
    return type(expected) is type(found) and expected == found


def _count(value: JsonValue, depth: int, tally: Tally) -> None:
    """Count all leaves of a value as wrong."""
    if _is_leaf(value):
        tally.add(depth, right=False)
    else:
        inner = value.values() if isinstance(value, dict) else value
        _count_all(inner if isinstance(inner, Iterable) else (), depth + 1, tally)


def _count_all(values: Iterable[JsonValue], depth: int, tally: Tally) -> None:
    for value in values:
        _count(value, depth, tally)
