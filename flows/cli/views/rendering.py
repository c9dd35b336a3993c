"""Shows what `flows.cli.views.blocks` describes: tables on a terminal, plain lines elsewhere."""

import errno
import os
import sys
from collections.abc import Iterable, Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from quantgate.flows.cli.views.blocks import Block, Sentence, Styled, TableBlock

_WIDTH_OF_A_FILE = 132


class _Console(Console):
    """A console that leaves it to `clean_exit` how to end where nobody reads on; rich ends with 1."""

    @override
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def open_console(*, to_stderr: bool = False) -> Console:
    """Return a console; where output is not a terminal it is wide enough for every table."""
    console = _Console(stderr=to_stderr)
    return console if console.is_terminal else _Console(stderr=to_stderr, width=_WIDTH_OF_A_FILE)


def show(blocks: Iterable[Block]) -> None:
    """Print to standard output, as it suits what that is."""
    if sys.stdout.isatty():
        show_on(open_console(), blocks)
    else:
        for line in plain_lines(blocks):
            print(line)


def plain_lines(blocks: Iterable[Block]) -> Iterator[str]:
    """Yield every sentence and every row of a table as a line."""
    for block in blocks:
        if isinstance(block, Sentence):
            yield block.plain
        else:
            yield from (row.plain for row in block.rows)


def show_on(console: Console, blocks: Iterable[Block]) -> None:
    """Print with tables and colours."""
    for block in blocks:
        if isinstance(block, Sentence):
            console.print(_text(*block.styled))
        elif block.rows:
            console.print(table_of(block))
            if not block.framed:
                console.print()


def table_of(grid: TableBlock) -> Table:
    """Return a table as a terminal shows it."""
    table = Table(
        title=grid.title,
        title_justify="left",
        title_style=None if grid.framed else "bold",
        header_style="bold",
        box=box.HEAVY_HEAD if grid.framed else None,
    )
    for heading in grid.headings:
        table.add_column(heading.text, justify=heading.align, overflow="fold")
    for row in grid.rows:
        table.add_row(*map(_text, row.cells))
    return table


def _text(*parts: Styled) -> Text:
    return Text.assemble(*((part.text, part.style) for part in parts))
