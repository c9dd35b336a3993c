"""Tables in the forms that other programs read: CSV, JSON, Parquet, Markdown."""

import csv
import io
from collections.abc import Sequence

from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.report.tables.table import Cell, DataTable
from quantgate.pipelines.report.wording import visible

_LONGEST_CELL = 200


def csv_text(table: DataTable) -> str:
    """Return a table as CSV (RFC 4180), with a line of its column names."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(table.columns)
    writer.writerows(table.rows)
    return written.getvalue()


def json_rows(table: DataTable) -> list[JsonObject]:
    """Return a table's rows as JSON objects by column."""
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def parquet_bytes(table: DataTable) -> bytes:
    """Return a table as a Parquet file; a column in which nothing stands is one of texts."""
    import pyarrow
    from pyarrow import parquet

    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    arrays = [
        pyarrow.array(column)
        if any(cell is not None for cell in column)
        else pyarrow.nulls(len(column), pyarrow.string())
        for column in columns
    ]
    file = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_arrays(arrays, names=list(table.columns)), file)
    return file.getvalue()


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a Markdown table (GitHub's). Texts stay texts, and long ones are cut."""
    lines = [_line(headings), _line(["---"] * len(headings)), *(_line(row) for row in rows)]
    return "".join(lines)


def _line(cells: Sequence[Cell]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |\n"


def _cell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return escaped(str(cell))


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, on one line; long text is cut."""
    line = " ".join(visible(text).split())
    return escaped_whole(f"{line[:_LONGEST_CELL]}…" if len(line) > _LONGEST_CELL else line)


def escaped_whole(text: str) -> str:
    """Return all of a text as Markdown shows it as it is, on one line."""
    line = " ".join(visible(text).split())
    for character in "\\`*_[]<>|#":
        line = line.replace(character, f"\\{character}")
    return line
