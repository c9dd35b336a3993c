"""The items of a suite, each with the line it stands in, and all that is wrong with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.files.reading import numbered_lines
from quantgate.pipelines.hub.table_source import ReadTable
from quantgate.pipelines.specs.loading import read_row, validated
from quantgate.pipelines.suites.files import ItemSpec
from quantgate.pipelines.suites.problems import Problem
from quantgate.pipelines.suites.sources import ItemsFile
from quantgate.pipelines.suites.tables import read_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An item as it was written, and the number of its line (of its row, in a table)."""

    line: int
    row: ItemSpec


def place_of(source: ItemsFile, folder: Path) -> str:
    """Return what error messages call the place that items come from."""
    return source.hub or str(folder / (source.path or ""))


def read_items(
    source: ItemsFile, folder: Path, read_table: ReadTable | None
) -> tuple[tuple[Placed, ...], tuple[Problem, ...]]:
    """Return the items that can be read, and what is wrong with the others.

    Raises:
        InputError, ToolchainError: where the source as a whole cannot be read.
    """
    placed: list[Placed] = []
    problems: list[Problem] = []
    where = place_of(source, folder)
    rows = _plain(folder / (source.path or "")) if source.is_plain else None
    for line, row in rows or _tabular(source, folder, read_table):
        if isinstance(row, ItemSpec):
            placed.append(Placed(line=line, row=row))
        else:
            problems += [Problem(where=where, line=line, text=text) for text in row]
    return tuple(placed), tuple(problems)


def _plain(path: Path) -> Iterator[tuple[int, ItemSpec | list[str]]]:
    for number, line in numbered_lines(path):
        yield number, read_row(line, ItemSpec)


def _tabular(
    source: ItemsFile, folder: Path, read_table: ReadTable | None
) -> Iterator[tuple[int, ItemSpec | list[str]]]:
    for row in read_rows(source, folder, read_table):
        yield row.number, list(row.problems) or validated(row.item, ItemSpec)
