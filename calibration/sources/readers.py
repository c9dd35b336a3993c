"""Files of rows, read in parts of bounded memory, and single rows of them read again by their position.

Lines (`.jsonl`, `.txt`) are cut by bytes: a part has the lines that begin in it. Parquet is cut by row
groups, csv is not cut. A position is a byte offset for lines and a row's index for tables.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, cast

from quantgate.calibration.sources.rows import Place, RawRow
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.csv_rows import csv_rows
from quantgate.pipelines.files.json_text import JsonTextError, parse_structure
from quantgate.pipelines.files.reading import (
    LONGEST_LINE_BYTES,
    refuse_other_encodings,
    refuse_other_than_file,
)
from quantgate.pipelines.specs.chat_messages import BrokenRowError
from quantgate.pipelines.specs.loading import not_json

Kind = Literal["jsonl", "txt", "csv", "parquet"]

_BLOCK_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the system says of a file into an error that names it; a pipe or a folder is not opened.

    Raises:
        InputError: where it cannot be read.
    """
    refuse_other_than_file(path)
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise InputError(
            f"cannot be read ({error.strerror})",
            where=str(path),
            next_step="let this user read it, or name another file",
        ) from error


def rows(path: Path, kind: Kind, start: int, end: int) -> Iterator[RawRow]:
    """Yield the rows of a part, broken ones as the error that says why.

    Raises:
        InputError: where the file cannot be read on.
    """
    if kind == "csv":
        yield from _csv_rows(path)
    elif kind == "parquet":
        from quantgate.calibration.sources.parquet import parquet_rows  # noqa: PLC0415  # pyarrow

        yield from parquet_rows(path, start, end)
    else:
        parse = _json_object if kind == "jsonl" else _text_row
        for place, line in _lines(path, start, end):
            yield place, parse(line)


def fetch(path: Path, kind: Kind, places: Sequence[Place]) -> Iterator[JsonObject]:
    """Yield the rows at places, which rise by position.

    Raises:
        InputError: where the file cannot be read, or no longer has these rows.
    """
    if kind in ("jsonl", "txt"):
        rows_there = _fetched_lines(path, kind, places)
    elif kind == "csv":
        rows_there = _picked(_csv_rows(path), places)
    else:
        from quantgate.calibration.sources.parquet import fetched_parquet  # noqa: PLC0415  # pyarrow

        rows_there = fetched_parquet(path, [place.position for place in places])
    for row in rows_there:
        if isinstance(row, BrokenRowError):
            raise InputError(
                "was changed while it was read",
                where=str(path),
                next_step="run the same command again once nobody writes to it",
            )
        yield row


class RowNumbers:
    """What people call rows: line numbers, or rows of a table, from 1; asked for by rising positions."""

    def __init__(self, path: Path, kind: Kind) -> None:
        """Start before the first row."""
        self._path, self._kind = path, kind
        self._line, self._at = 1, 0

    def of(self, position: int) -> int:
        """Return the number of the row at a position, counting on from the one asked for last."""
        if self._kind in ("csv", "parquet"):
            return position + 1
        with reading(self._path), self._path.open("rb") as file:
            file.seek(self._at)
            while self._at < position and (
                block := file.read(min(_BLOCK_BYTES, position - self._at))
            ):
                self._line += block.count(b"\n")
                self._at += len(block)
        return self._line


def _lines(path: Path, start: int, end: int) -> Iterator[tuple[Place, bytes]]:
    with reading(path), path.open("rb") as file:
        position = _begin(file, path, start)
        while position < end:
            line = file.readline(LONGEST_LINE_BYTES + 1)
            if not line:
                return
            if len(line) > LONGEST_LINE_BYTES:
                number = RowNumbers(path, "txt").of(position)
                raise InputError(
                    f"line {number} is longer than {LONGEST_LINE_BYTES >> 20} MiB",
                    where=str(path),
                    next_step="write one row a line, or leave this file out",
                )
            if line.strip():
                yield Place(position, len(line)), line
            position += len(line)


def _begin(file: IO[bytes], path: Path, start: int) -> int:
    """Go to the first line that begins at `start` or later; return where that is."""
    if start == 0:
        head = file.read(4)
        refuse_other_encodings(head, path)
        file.seek(len(_BOM) if head.startswith(_BOM) else 0)
        return file.tell()
    file.seek(start - 1)
    while (line := file.readline(_BLOCK_BYTES)) and not line.endswith(b"\n"):
        pass
    return file.tell()


def _json_object(line: bytes) -> JsonObject | BrokenRowError:
    try:
        value = parse_structure(line.decode())
    except UnicodeDecodeError as error:
        return _other_bytes(error)
    except JsonTextError as error:
        return BrokenRowError(not_json(error))
    return value if isinstance(value, dict) else BrokenRowError("is not a JSON object")


def _text_row(line: bytes) -> JsonObject | BrokenRowError:
    try:
        return {"text": line.decode().strip()}
    except UnicodeDecodeError as error:
        return _other_bytes(error)


def _other_bytes(error: UnicodeDecodeError) -> BrokenRowError:
    return BrokenRowError(f"is not UTF-8 text (byte {error.start + 1} of the line)")


def _fetched_lines(
    path: Path, kind: Kind, places: Sequence[Place]
) -> Iterator[JsonObject | BrokenRowError]:
    parse = _json_object if kind == "jsonl" else _text_row
    with reading(path), path.open("rb") as file:
        for place in places:
            file.seek(place.position)
            yield parse(file.read(place.length))


def _csv_rows(path: Path) -> Iterator[RawRow]:
    for index, (_, row) in enumerate(csv_rows(path)):
        if isinstance(row, str):
            yield Place(index, 0), BrokenRowError(row)
        else:
            yield Place(index, 0), cast("JsonObject", row)


def _picked(
    rows_there: Iterator[RawRow], places: Sequence[Place]
) -> Iterator[JsonObject | BrokenRowError]:
    positions = {place.position for place in places}
    for place, row in rows_there:
        if place.position in positions:
            yield row
