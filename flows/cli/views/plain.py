"""What commands that answer in milliseconds print: facts and tables as plain lines, and JSON.

They do without rich and pydantic, whose import takes longer than their answer.
"""

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from quantgate.flows.cli.views.versioned import versioned

_GAP = "  "


def print_plain_json(value: object) -> None:
    """Print a noun or an object as JSON after its schema; indented, in the letters that it has.

    Paths are strings.
    """
    print(json.dumps(versioned(value), indent=1, ensure_ascii=False, default=_values))


def print_facts(facts: Iterable[tuple[str, str]], *, indent: int) -> None:
    """Print what is known of one thing, a name and a value each; values begin at column `indent`."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in fact_lines(facts, indent=indent, width=width):
        print(line)


def fact_lines(
    facts: Iterable[tuple[str, str]], *, indent: int, width: int | None
) -> Iterator[str]:
    """Yield the lines of facts; on a terminal of this width long values go on below their first line.

    A word that is wider than the terminal, such as a path, stays whole for whoever copies it; where there is
    no terminal a value is one line.
    """
    for name, value in facts:
        room = len(value) if width is None else width - indent
        lines = [value]
        if len(value) > room > 0:
            lines = textwrap.wrap(value, room, break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(lines):
            yield f"{'' if number else name:<{indent}}{line}"


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows, the first of which are headings; see `table_lines`."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in table_lines(rows, width=width):
        print(line)


def table_lines(rows: Sequence[Sequence[str]], *, width: int | None) -> Iterator[str]:
    """Yield rows in columns two spaces apart.

    On a terminal of this width columns that do not fit stand in a table below, which repeats the first one;
    a column that is wider than the terminal by itself stays whole.
    """
    key, *others = (
        [cell.ljust(max(map(len, each))) for cell in each] for each in zip(*rows, strict=True)
    )
    tables, room = [[key]], 0 if width is None else width - len(key[0])
    for column in others:
        taken = len(_GAP) + len(column[0])
        if width is not None and taken > room and len(tables[-1]) > 1:
            tables.append([key])
            room = width - len(key[0])
        tables[-1].append(column)
        room -= taken
    for number, table in enumerate(tables):
        if number:
            yield ""
        for cells in zip(*table, strict=True):
            yield _GAP.join(cells).rstrip()


def _values(value: Any) -> object:
    """Return what JSON has no values for as such: nouns as objects, all else as texts."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)
