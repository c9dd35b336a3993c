"""Which rows become the suite and which the traffic: by a hash of what they ask, small slices first."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from quantgate.pipelines.authoring.starting.rows import StartRow
from quantgate.pipelines.authoring.starting.slicing import ProposedSlice
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.gates.prospects import fewest_reliable_items
from quantgate.pipelines.language.words import normalized

_LEAST_TRAFFIC = 50
"""With fewer rows left over there is nothing worth calibrating on."""


def provable_items() -> int:
    """Return how many items without a break let a slice pass under the default policy."""
    return fewest_reliable_items(Policy().limits())


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Rows of the suite, and those that calibration may look at; empty where all are in the suite."""

    suite: tuple[StartRow, ...]
    traffic: tuple[StartRow, ...]


def unrepeated(rows: Sequence[StartRow]) -> tuple[StartRow, ...]:
    """Return rows without those that ask what an earlier one asks."""
    first: dict[str, StartRow] = {}
    for row in rows:
        said = "\n".join(message.content for message in row.messages)
        first.setdefault(normalized(said), row)
    return tuple(first.values())


def split(rows: Sequence[StartRow], slices: Sequence[ProposedSlice], most: int) -> Split:
    """Return at most `most` rows as a suite, and the others as traffic, both in their own order.

    At most half of the rows become the suite where enough are left to calibrate on; else all do, up to
    `most`, and there is no traffic. Every slice gets as many rows as can prove it before the rest is drawn.
    """
    enough = len(rows) - min(most, len(rows) // 2) >= _LEAST_TRAFFIC
    size = min(most, len(rows) // 2 if enough else len(rows))
    drawn, provable = sorted(rows, key=_rank), provable_items()
    chosen: dict[int, None] = {}
    for each in sorted(slices, key=lambda part: (len(part.rows), part.name)):
        inside = [row.number for row in drawn if row.number in each.rows]
        share = provable if not enough else min(provable, (len(inside) + 1) // 2)
        for number in inside[:share]:
            if len(chosen) < size:
                chosen.setdefault(number)
    for row in drawn:
        if len(chosen) < size:
            chosen.setdefault(row.number)
    return Split(
        suite=tuple(row for row in rows if row.number in chosen),
        traffic=tuple(row for row in rows if row.number not in chosen) if enough else (),
    )


def _rank(row: StartRow) -> str:
    return hashlib.sha256(row.question.encode()).hexdigest()
