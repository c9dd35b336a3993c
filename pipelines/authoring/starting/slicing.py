"""Slices that are proposed: what the source calls its rows, and what they hold that breaks first."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quantgate.pipelines.authoring.starting.rows import StartRow
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.language.identify import UNKNOWN, languages_of

_MOST_SLICES = 12
_FEWEST_ROWS = 3
_LONG_CHARACTERS, _TIMES_MEDIAN = 600, 2.0
_DIGITS = re.compile(r"\d{4,}|\d[.,]\d")
_RARE = re.compile(r"[\u0180-\u036f\u1680-\u1cff\u2190-\u2bff\U00010000-\U0001ffff]")
_NOT_IN_NAMES = re.compile(r"[^\w\-.]+")
_REST, _REST_TEXT = "general", "everything else"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedSlice:
    """A slice: its name, what its rows have in common, and their numbers."""

    name: str
    description: str
    rows: frozenset[int]


def proposed_slices(rows: Sequence[StartRow]) -> tuple[ProposedSlice, ...]:
    """Return slices in which every row is at least once; those of the source come first."""
    labelled = _labelled(rows)
    traits = _traits(rows)
    slices = (*labelled, *(each for each in traits if each.name not in {s.name for s in labelled}))
    left = frozenset(row.number for row in rows).difference(*(each.rows for each in slices))
    if not left:
        return slices
    return *slices, ProposedSlice(name=_name_of_rest(slices), description=_REST_TEXT, rows=left)


def _name_of_rest(slices: Sequence[ProposedSlice]) -> str:
    """Return a name for what is left over that no slice has yet."""
    taken, name = {each.name for each in slices}, _REST
    while name in taken:
        name = f"{name}_rest"
    return name


def _labelled(rows: Sequence[StartRow]) -> tuple[ProposedSlice, ...]:
    """What the source calls its rows, unless that are too many names to be slices."""
    counts = Counter(name for row in rows for name in {_name(label) for label in row.labels})
    kept = [name for name, count in counts.most_common() if name and count >= _FEWEST_ROWS]
    return tuple(
        ProposedSlice(
            name=name,
            description=f"called '{name}' where the questions come from",
            rows=frozenset(
                row.number for row in rows if name in {_name(label) for label in row.labels}
            ),
        )
        for name in kept[:_MOST_SLICES]
    )


def _name(label: str) -> str:
    name = _NOT_IN_NAMES.sub("_", label.strip()).strip("_.")[:40]
    return f"{name}_items" if name == "all" else name


def _traits(rows: Sequence[StartRow]) -> tuple[ProposedSlice, ...]:
    """What rows hold; a trait that all of them have tells nothing apart."""
    lengths = sorted(len(_said(row)) for row in rows)
    median = lengths[len(lengths) // 2] if lengths else 0
    long = max(_LONG_CHARACTERS, median * _TIMES_MEDIAN)
    tests: tuple[tuple[str, str, Callable[[StartRow], bool]], ...] = (
        ("many_arguments", "calls with five arguments or more", lambda row: _arguments(row) >= 5),
        ("nested", "objects or lists inside the arguments", lambda row: _depth(row.answer) >= 3),
        ("numeric", "long numbers and decimals", lambda row: bool(_DIGITS.search(_said(row)))),
        ("long", "the longest questions", lambda row: len(_said(row)) > long),
        (
            "rare_letters",
            "letters that are seldom seen",
            lambda row: bool(_RARE.search(_said(row))),
        ),
    )
    slices = [
        ProposedSlice(
            name=name,
            description=text,
            rows=frozenset(row.number for row in rows if test(row)),
        )
        for name, text, test in tests
    ]
    slices += _languages(rows)
    return tuple(each for each in slices if _FEWEST_ROWS <= len(each.rows) < len(rows))


def _languages(rows: Sequence[StartRow]) -> list[ProposedSlice]:
    codes = languages_of([row.question for row in rows])
    usual = Counter(codes).most_common(1)[0][0] if codes else UNKNOWN
    others = sorted(set(codes) - {usual, UNKNOWN})
    return [
        ProposedSlice(
            name=f"lang_{code}",
            description=f"asked in {code}",
            rows=frozenset(
                row.number for row, each in zip(rows, codes, strict=True) if each == code
            ),
        )
        for code in others
    ]


def _said(row: StartRow) -> str:
    return "\n".join(message.content for message in row.messages)


def _arguments(row: StartRow) -> int:
    """The most arguments of a call in the answer; 0 where it is none."""
    parts = row.answer if isinstance(row.answer, list) else [row.answer]
    return max((_arguments_of(part) for part in parts), default=0)


def _arguments_of(value: JsonValue) -> int:
    if not isinstance(value, dict):
        return 0
    inner = value.get("function", value)
    arguments = inner.get("arguments") if isinstance(inner, dict) else None
    return len(arguments) if isinstance(arguments, dict) else 0


def _depth(value: JsonValue) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0
