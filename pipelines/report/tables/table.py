"""A table as such: named columns, and rows of plain values, for whatever writes them."""

from dataclasses import dataclass
from typing import TypeAlias

Cell: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTable:
    """A table. `name` is that of its file; every row has a cell for every column, None for nothing."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
