"""Columns of an arrow table that stand in it twice, at any depth. Callers import pyarrow; this does not."""

from collections.abc import Iterable
from typing import Any

from quantgate.pipelines.domain.errors import InputError


def refuse_columns_twice(schema: Any, where: str) -> None:
    """Refuse a `pyarrow.Schema` that names a column, or a part of one, twice: a row keeps only the last.

    Raises:
        InputError: naming the column.
    """
    if twice := _first_twice(schema, ""):
        raise InputError(
            f"column '{twice}' stands here twice",
            where=where,
            next_step="give every column a name of its own",
        )


def _first_twice(fields: Iterable[Any], outer: str) -> str | None:
    seen: set[str] = set()
    for field in fields:
        if field.name in seen:
            return f"{outer}{field.name}"
        seen.add(field.name)
        inner = [field.type.field(number) for number in range(field.type.num_fields)]
        if twice := _first_twice(inner, f"{outer}{field.name}."):
            return twice
    return None
