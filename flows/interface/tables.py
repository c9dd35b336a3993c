"""Typed rows as tables: a DataFrame, or HTML that a notebook shows."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from html import escape
from typing import TYPE_CHECKING, Any

from quantgate.pipelines.domain.errors import ToolchainError

if TYPE_CHECKING:
    from pandas import DataFrame

_SHOWN_CHARACTERS = 400


def frame_of(rows: Sequence[Any], row_type: type) -> "DataFrame":
    """Return dataclass rows as a DataFrame; its columns are the fields, also where there is no row.

    Raises:
        ToolchainError: pandas is not installed.
    """
    try:
        from pandas import DataFrame
    except ModuleNotFoundError as error:
        raise ToolchainError("pandas is not installed", next_step="pip install pandas") from error
    names = [field.name for field in fields(row_type)]
    return DataFrame([asdict(row) for row in rows], columns=names)


def html_table(headings: Sequence[str], rows: Iterable[Sequence[object]], caption: str) -> str:
    """Return an HTML table; everything in it is escaped, and long texts are cut."""
    head = "".join(f"<th>{escape(name)}</th>" for name in headings)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _cell(value: object) -> str:
    text = "–" if value is None else str(value)
    cut = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
    return f'<td style="text-align:left">{escape(cut)}</td>'
