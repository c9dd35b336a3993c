"""The cells of a mix: which shares a row counts for, and in which order rows are drawn to keep them."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, lcm, prod
from typing import NamedTuple

from quantgate.calibration.sources.rows import SourceRow
from quantgate.calibration.specs.corpus import OTHER, CorpusMix, CorpusSpec, Dimension

Cell = tuple[str, ...]
"""One value of each dimension of a mix, in their order; () where nothing is mixed."""

_KEPT_AT_LEAST = 64


class RankedRow(NamedTuple):
    """A row that may be drawn: its rank, its file among the build's files, where it stands in that."""

    rank: bytes
    source: int
    position: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What one dimension's values are to have, as exact parts of one."""

    dimension: Dimension
    parts: Mapping[str, Fraction]

    def value_of(self, value: str) -> str | None:
        """Return the value under which a row counts, None where the mix has no place for it."""
        if value in self.parts:
            return value
        return OTHER if OTHER in self.parts else None


def shares_of(spec: CorpusSpec) -> tuple[Shares, ...]:
    """Return the dimensions that a spec mixes, in the order of a cell's values."""
    mix = spec.mix
    weights: list[tuple[Dimension, Mapping[str, str]]] = [
        (
            "source",
            {source.name: source.weight for source in spec.sources} if mix.by_source else {},
        ),
        ("language", mix.language),
        ("domain", mix.domain),
        ("length", {bucket.name: bucket.weight for bucket in mix.length}),
    ]
    return tuple(_shares(dimension, given) for dimension, given in weights if given)


def _shares(dimension: Dimension, weights: Mapping[str, str]) -> Shares:
    exact = {value: Fraction(weight) for value, weight in sorted(weights.items())}
    total = sum(exact.values())
    return Shares(
        dimension=dimension, parts={value: weight / total for value, weight in exact.items()}
    )


def cell_of(
    row: SourceRow, *, source: str, characters: int, mix: CorpusMix, shares: Sequence[Shares]
) -> Cell | None:
    """Return a row's cell, None where the mix has no place for it."""
    cell = []
    for dimension in shares:
        if dimension.dimension == "length":
            value = bucket_of(characters, mix)
        else:
            values = {"source": source, "language": row.language, "domain": row.domain}
            value = dimension.value_of(values[dimension.dimension])
        if value is None:
            return None
        cell.append(value)
    return tuple(cell)


def bucket_of(characters: int, mix: CorpusMix) -> str | None:
    """Return the name of the range that a length lies in."""
    for bucket in mix.length:
        if bucket.low <= characters and (bucket.high is None or characters < bucket.high):
            return bucket.name
    return None


def kept_rows(cell: Cell, shares: Sequence[Shares], sequences: int, factor: int) -> int:
    """Return how many rows of a cell are kept while scanning: more than its share by a good margin."""
    share = prod((s.parts[value] for s, value in zip(shares, cell, strict=True)), start=Fraction(1))
    return ceil(share * sequences * 2 * factor) + _KEPT_AT_LEAST * factor


class Drawing:
    """Draws rows from cells so that every beginning of the draw is as close to the shares as rows allow.

    So a larger sample contains a smaller one, and a prefix of a corpus has the corpus's mix. The next row
    comes from the cell that lags most: behind its own share (the product of its values') and behind each of
    its values'. Whole numbers throughout: no machine rounds differently.
    """

    def __init__(self, pools: Mapping[Cell, Sequence[RankedRow]], shares: Sequence[Shares]) -> None:
        """Take each cell's rows by rising rank. A row that stands in several is drawn once."""
        whole = prod(
            lcm(*(part.denominator for part in dimension.parts.values())) for dimension in shares
        )
        self._pools = [_Pool(cell, pools[cell], shares, whole) for cell in sorted(pools)]
        self._taken = [dict.fromkeys(dimension.parts, 0) for dimension in shares]
        self._seen: set[bytes] = set()
        self.exhausted: set[Cell] = set()

    def __iter__(self) -> Iterator[RankedRow]:
        """Yield rows until no cell has any left; `exhausted` has the cells that ran dry."""
        drawn = 1
        while self._pools:
            best = max(
                self._pools, key=lambda pool: pool.behind(drawn, self._taken)
            )  # first of equals
            row = next(best.rows, None)
            if row is None:
                self.exhausted.add(best.cell)
                self._pools.remove(best)
            elif row.rank not in self._seen:
                self._seen.add(row.rank)
                best.taken += 1
                for counts, value in zip(self._taken, best.cell, strict=True):
                    counts[value] += 1
                drawn += 1
                yield row


class _Pool:
    """A cell's rows, and how far it lags behind, in `whole`ths of a row."""

    def __init__(
        self, cell: Cell, rows: Sequence[RankedRow], shares: Sequence[Shares], whole: int
    ) -> None:
        self.cell = cell
        self.rows = iter(rows)
        self.taken = 0
        self._whole = whole
        parts = [dimension.parts[value] for dimension, value in zip(shares, cell, strict=True)]
        self._due = int(sum(parts, start=prod(parts, start=Fraction(1))) * whole)

    def behind(self, drawn: int, taken: Sequence[Mapping[str, int]]) -> int:
        counted = self.taken + sum(
            counts[value] for counts, value in zip(taken, self.cell, strict=True)
        )
        return self._due * drawn - counted * self._whole


class BottomRows:
    """The rows of one cell with the smallest ranks, distinct, in memory for twice as many.

    Which ones they are does not depend on the order in which rows come.
    """

    def __init__(self, most: int) -> None:
        """Keep up to `most`."""
        self._most = most
        self._bound: bytes | None = None
        self.entries: dict[bytes, tuple[int, int, int]] = {}
        self.cut = False

    def add(self, rank: bytes, place: tuple[int, int, int]) -> None:
        """Take in a row by its rank; of equal rows the one with the smallest place stays."""
        if self._bound is not None and rank > self._bound:
            return
        earlier = self.entries.get(rank)
        if earlier is None or place < earlier:
            self.entries[rank] = place
        if len(self.entries) > 2 * self._most:
            self.shrink()

    def shrink(self) -> None:
        """Drop what is beyond the limit."""
        if len(self.entries) <= self._most:
            return
        kept = heapq.nsmallest(self._most, self.entries)
        self.entries = {rank: self.entries[rank] for rank in kept}
        self._bound = kept[-1]
        self.cut = True
