"""Rows of parquet files, by row groups. Only child processes import this: it needs pyarrow."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow.parquet import ParquetFile

from quantgate.calibration.sources.rows import Place, RawRow
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.formats.arrow_columns import refuse_columns_twice

_BATCH_BYTES = 4 << 20
_MOST_BATCH_ROWS = 2048


def row_group_rows(path: Path) -> tuple[int, ...]:
    """Return how many rows each row group has.

    Raises:
        InputError: where this is no parquet file, or a column stands in it twice.
    """
    with _open(path) as file:
        groups = range(file.metadata.num_row_groups)
        return tuple(file.metadata.row_group(group).num_rows for group in groups)


def parquet_rows(path: Path, start: int, end: int) -> Iterator[RawRow]:
    """Yield the rows of row groups `start` to below `end`."""
    with _open(path) as file:
        index = _first_row(file, start)
        for group in range(start, min(end, file.metadata.num_row_groups)):
            for batch in _batches(file, group):
                for row in batch.to_pylist():
                    yield Place(index, 0), _plain(row)
                    index += 1


def fetched_parquet(path: Path, positions: Sequence[int]) -> Iterator[JsonObject]:
    """Yield the rows at rising positions; row groups that hold none are not read."""
    with _open(path) as file:
        first = 0
        for group in range(file.metadata.num_row_groups):
            behind = first + file.metadata.row_group(group).num_rows
            positions_inside = [
                position - first for position in positions if first <= position < behind
            ]
            if positions_inside:
                yield from _taken(file, group, positions_inside)
            first = behind


def _taken(file: Any, group: int, positions: list[int]) -> Iterator[JsonObject]:
    begin = 0
    for batch in _batches(file, group):
        inside = [
            position - begin for position in positions if begin <= position < begin + batch.num_rows
        ]
        if inside:
            for row in batch.take(pyarrow.array(inside)).to_pylist():
                yield _plain(row)
        begin += batch.num_rows


def _batches(file: Any, group: int) -> Iterator[Any]:
    """Yield batches of a few megabytes, however long the rows are."""
    facts = file.metadata.row_group(group)
    row_bytes = max(1, facts.total_byte_size // max(1, facts.num_rows))
    size = max(1, min(_MOST_BATCH_ROWS, _BATCH_BYTES // row_bytes))
    yield from file.iter_batches(batch_size=size, row_groups=[group], use_threads=False)


def _first_row(file: Any, group: int) -> int:
    return sum(file.metadata.row_group(before).num_rows for before in range(group))


def _plain(row: dict[str, Any]) -> JsonObject:
    return {name: _plain_value(value) for name, value in row.items()}


def _plain_value(value: object) -> JsonValue:
    """Return a value as JSON has it; what JSON lacks (dates, decimals, bytes) becomes text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(key): _plain_value(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(part) for part in value]
    return value.hex() if isinstance(value, bytes) else str(value)


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    try:
        with ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
            refuse_columns_twice(file.schema_arrow, str(path))
            yield file
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(
            f"is not a sound parquet file ({error})",
            where=str(path),
            next_step="write the file again, or copy it again from where it came from",
        ) from error
