"""Real traffic as candidates for a suite: each row's conversation up to what the user asked last."""

import sys
from dataclasses import replace
from pathlib import Path

from quantgate.calibration.sources.readers import RowNumbers, rows
from quantgate.calibration.sources.rows import RowReader, SourceRow
from quantgate.calibration.specs.corpus import Fields
from quantgate.pipelines.authoring.candidates import SuiteCandidate, Traffic
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.language.words import normalized
from quantgate.pipelines.specs.chat_messages import (
    BrokenRowError,
    ForeignContentError,
    message_from,
)
from quantgate.pipelines.suites.problems import Problem, refused


def read_traffic(path: Path, chat: ChatFormat, room_tokens: int) -> Traffic:
    """Read a chat log (JSON lines as corpora read them), tokenized; equal questions once.

    Raises:
        InputError: with the lines that cannot be used, or where no row asks anything that fits.
    """
    read = _rows(path)
    seen: set[str] = set()
    kept: list[SuiteCandidate] = []
    repeated = unasked = too_long = 0
    for number, row in enumerate(read, start=1):
        candidate = _candidate(row, f"{path.stem}:{number}")
        if candidate is None:
            unasked += 1
            continue
        level = normalized(candidate.question)
        if level in seen:
            repeated += 1
            continue
        seen.add(level)
        ids = _token_ids(candidate, chat)
        if ids is None or len(ids) > room_tokens:
            too_long += ids is not None
            unasked += ids is None
            continue
        kept.append(replace(candidate, token_ids=ids))
    if not kept:
        raise InputError(
            "no row asks anything that fits the model's context",
            where=str(path),
            next_step="name rows whose questions are shorter",
        )
    return Traffic(
        candidates=tuple(kept),
        rows=len(read),
        repeated=repeated,
        unasked=unasked,
        too_long=too_long,
    )


def _rows(path: Path) -> list[SourceRow | None]:
    """Return the rows of a chat log; None where one holds more than text.

    Raises:
        InputError: with the lines that cannot be used.
    """
    reader, lines = RowReader(Fields(), (), "chat"), RowNumbers(path, "jsonl")
    read: list[SourceRow | None] = []
    problems: list[Problem] = []
    for place, row in rows(path, "jsonl", 0, sys.maxsize):
        try:
            if isinstance(row, BrokenRowError):
                raise row
            read.append(reader.read(row))
        except ForeignContentError:
            read.append(None)
        except BrokenRowError as error:
            line = lines.of(place.position)
            problems.append(Problem(where=str(path), line=line, text=str(error)))
    if problems:
        raise refused(problems)
    return read


def _candidate(row: SourceRow | None, numbered: str) -> SuiteCandidate | None:
    if row is None:
        return None
    messages = [message_from(message) for message in row.messages]
    while messages and messages[-1].role != "user":
        messages.pop()
    if not messages and (text := row.text.strip()):
        messages = [Message(role="user", content=text)]
    if not messages or not messages[-1].content.strip():
        return None
    return SuiteCandidate(
        source=row.identifier or numbered,
        messages=tuple(messages),
        tools=tuple(row.tools),
        question=messages[-1].content,
    )


def _token_ids(candidate: SuiteCandidate, chat: ChatFormat) -> tuple[int, ...] | None:
    """None where the model's chat template refuses the conversation."""
    try:
        return chat.read(candidate.messages, tools=candidate.tools).token_ids
    except InputError:
        return None
