"""A build's sources cut into parts, each scanned once by itself; what a scan asks and replies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from quantgate.calibration.sources.local import LocalSource
from quantgate.calibration.specs.corpus import CorpusSpec

CANDIDATES = "candidates.bin"
RANKS = "ranks.bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePart:
    """A stretch of a source file: bytes of lines, row groups of parquet, all of a csv.

    `source` is the file's place among the build's files, `size_bytes` what progress counts.
    """

    source: int
    start: int
    end: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanCall:
    """Scan one part into `folder`: `CANDIDATES` and `RANKS`. `factor` widens what is kept of each cell."""

    spec: CorpusSpec
    source: LocalSource
    part: SourcePart
    sequences: int
    factor: int
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRows:
    """One cell: its rows, and how many candidates of it stand in `CANDIDATES` (`cut`: it had more)."""

    cell: tuple[str, ...]
    rows: int
    candidates: int
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedPart:
    """What a scan counted. `problems` are broken rows, by line or row number, the first ones only.

    `unseen` are mapped columns that no row had, `columns` those of the first row.
    """

    rows: int
    dropped: dict[str, int]
    cells: tuple[CellRows, ...]
    problems: tuple[tuple[int, str], ...] = ()
    unseen: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchCall:
    """Write the rows at `places` (position, length) of a source, which rise, as sequences to `output`."""

    spec: CorpusSpec
    source: LocalSource
    places: tuple[tuple[int, int], ...]
    output: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """How many sequences were written."""

    sequences: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlineCall:
    """Ask how many rows each row group of a parquet file has."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Rows of each row group."""

    rows: tuple[int, ...] = field(default=())


def cut(
    sources: Sequence[LocalSource], part_bytes: int, outline: Callable[[Path], Outline]
) -> tuple[SourcePart, ...]:
    """Return the parts of all sources; what comes out of a build does not depend on how they are cut."""
    parts: list[SourcePart] = []
    for index, source in enumerate(sources):
        size = source.size_bytes
        if source.kind == "csv":
            ends = [size]
        elif source.kind == "parquet":
            groups = len(outline(source.path).rows)
            step = max(1, groups * part_bytes // size)
            ends = [*range(step, groups, step), groups]
        else:
            ends = [*range(part_bytes, size, part_bytes), size]
        each = ceil(size / len(ends))
        starts = [0, *ends[:-1]]
        parts += [
            SourcePart(source=index, start=start, end=end, size_bytes=each)
            for start, end in zip(starts, ends, strict=True)
        ]
    return tuple(parts)
