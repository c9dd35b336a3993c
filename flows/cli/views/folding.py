"""Tables that never cut a column: what does not fit beside the deciding columns stands in a table below.

A terminal of 80 columns has no room for all that is known of a variant. Columns say how much they matter;
the most important ones share the first table, the rest follow in tables that repeat the row's name.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from quantgate.flows.cli.views.plain import fact_lines

_SPACES = 2
"""What a column takes beside its cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column with all its cells, in rich's markup. `importance` 1 is the last to be moved below."""

    name: str
    cells: tuple[str, ...]
    importance: int = 1
    right: bool = False

    @property
    def width(self) -> int:
        """Characters that its longest line takes."""
        return max(Text.from_markup(text).cell_len for text in (self.name, *self.cells))


def folded(
    key: Column, columns: Sequence[Column], *, width: int, title: str = ""
) -> tuple[Table, ...]:
    """Return tables of at most `width` characters; each begins with `key` and keeps the columns' order.

    A column that does not fit beside the key even alone has a table of its own, and its cells are wrapped.
    """
    tables: list[Table] = []
    left = list(columns)
    while left or not tables:
        kept = _fitting(left, width - key.width - _SPACES)
        tables.append(_table(key, kept, title if not tables else ""))
        left = [column for column in left if column not in kept]
    return tuple(tables)


def _fitting(columns: Sequence[Column], room: int) -> list[Column]:
    """Return the most important columns that fit, at least one, in their order."""
    kept: list[Column] = []
    for column in sorted(columns, key=lambda each: each.importance):
        if column.width + _SPACES <= room or not kept:
            room -= column.width + _SPACES
            kept.append(column)
    return [column for column in columns if column in kept]


def _table(key: Column, columns: Sequence[Column], title: str) -> Table:
    table = Table(
        title=f"[bold]{title}[/]" if title else None,
        title_justify="left",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column(key.name, no_wrap=True)
    for column in columns:
        table.add_column(column.name, justify="right" if column.right else "left", overflow="fold")
    for cells in zip(key.cells, *(column.cells for column in columns), strict=True):
        table.add_row(*cells)
    return table


def show_facts(facts: Iterable[tuple[str, str]], console: Console, *, indent: int) -> None:
    """Print what is known of one thing, a name and a value each; see `fact_lines`."""
    width = console.width if console.is_terminal else None
    for line in fact_lines(facts, indent=indent, width=width):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
