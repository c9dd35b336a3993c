"""Rows of a csv file (RFC 4180), also where a spreadsheet wrote semicolons or tabs between its cells.

Spreadsheets of languages with a decimal comma write semicolons and call it csv. The first line tells: where
it is a single cell by commas and several by one of the others, that one parts the cells.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.reading import (
    LONGEST_LINE_BYTES,
    SAVE_AS_UTF8,
    opened,
    refuse_other_encodings,
)

_SEPARATORS = ";\t|"
_SEPARATOR_LINE = "sep="
"""Excel's own first line, `sep=;`, which names the separator and holds no cells."""


def csv_rows(path: Path) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Yield (number of its last line, cells by column) of every row, or what is wrong with the row.

    Raises:
        InputError: where the file cannot be read, is no csv in UTF-8, or its first line names no columns.
    """
    csv.field_size_limit(LONGEST_LINE_BYTES)
    with opened(path) as file:
        refuse_other_encodings(file.read(4), path)
        file.seek(0)
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        try:
            yield from _rows(text, path)
        except UnicodeDecodeError as error:
            raise InputError(
                "is not UTF-8 text", where=str(path), next_step=SAVE_AS_UTF8
            ) from error
        except csv.Error as error:
            raise InputError(
                f"is not a sound csv ({error})",
                where=str(path),
                next_step="put quotes around cells that hold separators, quotes or line breaks",
            ) from error


def _rows(text: io.TextIOWrapper, path: Path) -> Iterator[tuple[int, dict[str, str] | str]]:
    first = text.readline(LONGEST_LINE_BYTES)
    skipped = 1 if first.startswith(_SEPARATOR_LINE) else 0
    named = first[len(_SEPARATOR_LINE) :].strip("\r\n") if skipped else ""
    if skipped:
        first = text.readline(LONGEST_LINE_BYTES)
    delimiter = named if len(named) == 1 else _separator(first)
    reader = csv.reader(_lines(first, text, path), delimiter=delimiter, strict=True)
    columns = next(reader, [])
    _refuse_header(columns, path)
    for cells in reader:
        if not cells:
            continue
        line = reader.line_num + skipped
        if len(cells) == len(columns):
            yield line, dict(zip(columns, cells, strict=True))
        else:
            yield line, "the row has more or fewer cells than the first line"


def _separator(first: str) -> str:
    if len(next(csv.reader([first]), [])) > 1:
        return ","
    counts = {mark: len(next(csv.reader([first], delimiter=mark), [])) for mark in _SEPARATORS}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] > 1 else ","


def _refuse_header(columns: list[str], path: Path) -> None:
    if not columns:
        raise InputError(
            "there are no rows: its first line names no columns",
            where=str(path),
            next_step="write the names of the columns into the first line",
        )
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise InputError(
            f"line 1: column '{twice[0]}' stands here twice",
            where=str(path),
            next_step="give every column a name of its own",
        )


def _lines(first: str, text: io.TextIOWrapper, path: Path) -> Iterator[str]:
    number = 1
    line = first
    while line:
        if len(line) > LONGEST_LINE_BYTES:
            raise InputError(
                f"line {number} is longer than {LONGEST_LINE_BYTES >> 20} MiB",
                where=str(path),
                next_step="write one row a line",
            )
        yield line
        number += 1
        line = text.readline(LONGEST_LINE_BYTES + 1)
