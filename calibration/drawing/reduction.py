"""What the scans of all parts say together: counts, candidates by cell, how many rows are distinct."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy

from quantgate.calibration.drawing.mixing import BottomRows, Cell, RankedRow, kept_rows, shares_of
from quantgate.calibration.drawing.parts import CANDIDATES, RANKS, ScannedPart, SourcePart
from quantgate.calibration.drawing.scanning import CANDIDATE
from quantgate.calibration.sources.local import LocalSource
from quantgate.calibration.sources.rows import STANDARD_COLUMNS
from quantgate.calibration.specs.corpus import CorpusSpec
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.specs.loading import did_you_mean, listed_columns

_SLICE_BYTES = 32 << 20
_SHOWN_PROBLEMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult:
    """A scanned part and the folder with its files."""

    part: SourcePart
    scanned: ScannedPart
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """All parts together. `rows` and `dropped` are by source name; `passed` rows have a place in the mix.

    `available` counts those by cell, equal ones as often as they stand there.
    `pools` has each cell's candidates by rising rank; those in `cut` had more than are kept.
    """

    rows: dict[str, int]
    dropped: dict[str, dict[str, int]]
    passed: int
    distinct: int
    available: dict[Cell, int]
    pools: dict[Cell, list[RankedRow]]
    cut: frozenset[Cell]


def reduce_parts(
    results: Sequence[PartResult],
    *,
    spec: CorpusSpec,
    sources: Sequence[LocalSource],
    sequences: int,
    factor: int,
) -> Scanned:
    """Put all parts together; how they were cut makes no difference.

    Raises:
        InputError: where a source has no rows with content, or lacks a column that the spec names.
    """
    rows: Counter[str] = Counter()
    dropped: dict[str, Counter[str]] = {source.spec.name: Counter() for source in sources}
    for result in results:
        name = sources[result.part.source].spec.name
        rows[name] += result.scanned.rows
        dropped[name] += Counter(result.scanned.dropped)
    for name in dropped:
        mine = [r for r in results if sources[r.part.source].spec.name == name]
        _refuse_useless(mine, sources[mine[0].part.source], rows[name], dropped[name]["empty"])
    available: Counter[Cell] = Counter()
    for result in results:
        for cell_rows in result.scanned.cells:
            available[cell_rows.cell] += cell_rows.rows
    kept, cut = _pools(results, spec, sequences, factor)
    return Scanned(
        rows=dict(rows),
        dropped={name: dict(sorted(counts.items())) for name, counts in dropped.items()},
        passed=sum(rows.values()) - sum(sum(counts.values()) for counts in dropped.values()),
        distinct=_distinct([result.folder / RANKS for result in results]),
        available=dict(available),
        pools=kept,
        cut=frozenset(cut),
    )


def refuse_broken(result: PartResult, source: LocalSource) -> None:
    """Refuse a part with broken rows.

    Raises:
        InputError: naming the file and its first broken rows.
    """
    broken = result.scanned.problems
    if not broken:
        return
    word = "line" if source.kind in ("jsonl", "txt") else "row"
    shown = [f"{word} {number}: {why}" for number, why in broken[:_SHOWN_PROBLEMS]]
    raise InputError(
        "\n  ".join(["cannot be used:", *shown]),
        where=str(source.path),
        next_step="mend these rows, or say `broken_rows: skip` in the spec",
    )


def _refuse_useless(
    results: Sequence[PartResult], source: LocalSource, rows: int, empty: int
) -> None:
    columns = list(next((r.scanned.columns for r in results if r.scanned.columns), ()))
    listed = listed_columns(columns)
    missed = [set(result.scanned.unseen) for result in results if result.scanned.rows]
    unseen = set[str]().union(*missed[:1]).intersection(*missed)
    if unseen:
        missing = [f"'{column}'{did_you_mean(column, columns)}" for column in sorted(unseen)]
        raise InputError(
            f"no row has a column {', '.join(missing)}; row 1 has {listed}",
            where=str(source.path),
            next_step="name columns that there are",
        )
    if rows == empty:
        hints = [
            f"'{column}'{hint}"
            for column in columns
            if (hint := did_you_mean(column, STANDARD_COLUMNS))
        ]
        columns_there = f"; row 1 has {listed}" if columns else ""
        raise InputError(
            f"this source has no rows with content{columns_there}",
            where=str(source.path),
            next_step=f"map its columns in `fields`; {', '.join(hints)}"
            if hints
            else "say which column has the text, in `fields`; or take the source out of the spec",
        )


def _pools(
    results: Sequence[PartResult], spec: CorpusSpec, sequences: int, factor: int
) -> tuple[dict[Cell, list[RankedRow]], set[Cell]]:
    shares = shares_of(spec)
    kept: dict[Cell, BottomRows] = {}
    cut: set[Cell] = set()
    for result in results:
        packed = (result.folder / CANDIDATES).read_bytes()
        begin = 0
        for cell_rows in result.scanned.cells:
            end = begin + cell_rows.candidates * CANDIDATE.size
            if cell_rows.cell not in kept:
                kept[cell_rows.cell] = BottomRows(
                    kept_rows(cell_rows.cell, shares, sequences, factor)
                )
            rows = kept[cell_rows.cell]
            for rank, position, length in CANDIDATE.iter_unpack(packed[begin:end]):
                rows.add(rank, (result.part.source, position, length))
            if cell_rows.cut:
                cut.add(cell_rows.cell)
            begin = end
    for cell, rows in kept.items():
        rows.shrink()
        if rows.cut:
            cut.add(cell)
    return {
        cell: [RankedRow(rank, *rows.entries[rank]) for rank in sorted(rows.entries)]
        for cell, rows in kept.items()
    }, cut


def _distinct(files: Sequence[Path]) -> int:
    """Return how many different ranks stand in sorted files, slice by slice of their range.

    Ranks are compared by their first 64 bits: among ten million rows one pair of different rows in three
    hundred thousand builds would count as equal.
    """
    filled = [path for path in files if path.stat().st_size]
    ranks = [numpy.memmap(path, dtype=numpy.uint64, mode="r") for path in filled]
    slices = max(1, sum(file_ranks.nbytes for file_ranks in ranks) // _SLICE_BYTES)
    bounds = [numpy.uint64(((1 << 64) - 1) * i // slices) for i in range(1, slices)]
    total = 0
    begins = [0] * len(ranks)
    for bound in [*bounds, None]:
        ends = [
            len(sorted_ranks) if bound is None else int(numpy.searchsorted(sorted_ranks, bound))
            for sorted_ranks in ranks
        ]
        pieces = [sorted_ranks[b:e] for sorted_ranks, b, e in zip(ranks, begins, ends, strict=True)]
        total += len(numpy.unique(numpy.concatenate(pieces))) if pieces else 0
        begins = ends
    return total
