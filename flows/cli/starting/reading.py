"""Questions from tables, chat logs and traces, as rows that a suite can be proposed from."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from quantgate.calibration.sources.readers import Kind, RowNumbers, rows
from quantgate.calibration.sources.rows import RowReader
from quantgate.calibration.specs.corpus import Fields
from quantgate.flows.build.corpora.traces import experiment_named, export_traces
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import table_reader
from quantgate.pipelines.authoring.starting.rows import (
    Columns,
    StartRow,
    columns_of,
    row_of_cells,
    row_of_chat,
)
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.files.reading import at_home, holds_file
from quantgate.pipelines.hub.table_source import TableSource
from quantgate.pipelines.specs.chat_messages import (
    BrokenRowError,
    ForeignContentError,
    message_from,
    parsed,
)
from quantgate.pipelines.suites.problems import Problem, refused

_CHAT_COLUMNS = ("messages", "conversations", "request")
_KINDS = ("jsonl", "csv", "parquet")

_SAMPLES: tuple[tuple[str, JsonValue], ...] = (
    ("How many days does a leap year have? Answer with the number.", "366"),
    ("Which planet is closest to the sun? Answer with its name.", "Mercury"),
    ('Write {"colour": "red"} as JSON, with the colour blue.', {"colour": "blue"}),
)
SAMPLES = tuple(
    StartRow(number=number, messages=(Message(role="user", content=question),), answer=answer)
    for number, (question, answer) in enumerate(_SAMPLES, start=1)
)
"""What a suite starts from where nothing is named: three rows to be replaced."""


def read_start(
    source: str, settings: Settings, *, question: str | None, answer: str | None
) -> tuple[StartRow, ...]:
    """Return the rows of a file (`.csv`, `.jsonl`, `.parquet`) or of `mlflow:EXPERIMENT`.

    Raises:
        InputError: it cannot be read, with the lines at fault, or no row asks anything.
        NotFoundError, ServiceError, ToolchainError, WorkerError: from MLflow or the child that reads parquet.
    """
    experiment = experiment_named(source)
    path = export_traces(experiment, settings) if experiment else at_home(Path(source))
    kind = path.suffix.removeprefix(".").lower()
    if kind not in _KINDS:
        raise InputError(
            "is no file of questions that can be read",
            where=source,
            next_step="name a .csv, .jsonl or .parquet file, or mlflow:EXPERIMENT",
        )
    if not holds_file(path):
        raise InputError("there is no such file", where=source, next_step="check how it is spelled")
    if kind == "parquet":
        path, kind = table_reader(settings)(TableSource(path=path)), "jsonl"
    read = tuple(_rows(path, cast("Kind", kind), question=question, answer=answer))
    if not read:
        raise InputError(
            "no row asks anything",
            where=source,
            next_step="name a file whose rows hold questions, and their column with --question",
        )
    return read


def _rows(
    path: Path, kind: Kind, *, question: str | None, answer: str | None
) -> Iterator[StartRow]:
    chats, lines = RowReader(Fields(), (), "chat"), RowNumbers(path, kind)
    columns: Columns | None = None
    problems: list[Problem] = []
    for number, (place, row) in enumerate(rows(path, kind, 0, sys.maxsize), start=1):
        try:
            if isinstance(row, BrokenRowError):
                raise row
            if question is None and any(row.get(name) for name in _CHAT_COLUMNS):
                _refuse_column(answer, source=path)
                start = _chat(chats, row, number)
            else:
                columns = columns or columns_of(tuple(row), question=question, answer=answer)
                start = row_of_cells(row, columns, number)
        except ForeignContentError:  # pictures and the like: nothing that a language model is asked
            continue
        except BrokenRowError as error:
            line = lines.of(place.position)
            problems.append(Problem(where=str(path), line=line, text=str(error)))
            continue
        if start is not None:
            yield start
    if problems:
        raise refused(problems)


def _refuse_column(answer: str | None, *, source: Path) -> None:
    if answer is not None:
        raise InputError(
            "holds conversations, whose last replies are the answers: --answer would be passed over",
            where=str(source),
            next_step="leave it out; or name the column that asks as well: --question COLUMN",
        )


def _chat(chats: RowReader, row: JsonObject, number: int) -> StartRow | None:
    read = chats.read({name: _opened(name, value) for name, value in row.items()})
    messages = [message_from(message) for message in read.messages]
    return row_of_chat(messages, read.tools, read.domain, number)


def _opened(name: str, value: JsonValue) -> JsonValue:
    """A cell of a csv writes messages as JSON."""
    if isinstance(value, str) and name in (*_CHAT_COLUMNS, "tools"):
        return parsed(value, name) if value.strip() else None
    return value
