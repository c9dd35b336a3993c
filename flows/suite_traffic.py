"""Real traffic as candidates for a suite: each row's conversation up to what the user asked last."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ConfigDict, JsonValue, field_validator

from calibration.contamination import normalized
from pipelines.domain.errors import InputError
from pipelines.domain.suite import Message
from pipelines.domain.values import JsonObject
from pipelines.evaluation.chat import ChatFormat
from pipelines.specs.loading import load_json_lines
from pipelines.specs.suite_files import MessageSpec

_MESSAGE_KEYS = frozenset(MessageSpec.model_fields)


class _Row(BaseModel):
    """A row of a chat log; other columns are the log's own business."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str | int = ""
    messages: tuple[MessageSpec, ...] = ()
    prompt: str = ""
    text: str = ""
    tools: tuple[dict[str, JsonValue], ...] = ()

    @field_validator("messages", mode="before")
    @classmethod
    def _what_counts(cls, value: JsonValue) -> JsonValue:
        """Logs hold nulls, and keys that no chat template reads."""
        if not isinstance(value, list):
            return value
        return [
            {key: part for key, part in one.items() if key in _MESSAGE_KEYS and part is not None}
            if isinstance(one, dict)
            else one
            for one in value
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A conversation that ends with a user's message; `question` is that message."""

    source: str
    messages: tuple[Message, ...]
    tools: tuple[JsonObject, ...]
    question: str
    token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Candidates in file order, and how many rows were left out and why."""

    candidates: tuple[Candidate, ...]
    rows: int
    repeated: int
    unasked: int
    too_long: int


def read_traffic(path: Path, chat: ChatFormat, room_tokens: int) -> Traffic:
    """Read a chat log (JSON lines of `messages`, `prompt` or `text`), tokenized; equal questions once.

    Raises:
        InputError: with the lines that cannot be used, or where no row asks anything that fits.
    """
    rows = load_json_lines(path, _Row)
    seen: set[str] = set()
    kept: list[Candidate] = []
    repeated = unasked = too_long = 0
    for number, row in enumerate(rows, start=1):
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
        raise InputError("no row asks anything that fits the model's context", where=str(path))
    return Traffic(
        candidates=tuple(kept),
        rows=len(rows),
        repeated=repeated,
        unasked=unasked,
        too_long=too_long,
    )


def _candidate(row: _Row, numbered: str) -> Candidate | None:
    messages = [one.message() for one in row.messages]
    while messages and messages[-1].role != "user":
        messages.pop()
    if not messages and (text := (row.prompt or row.text).strip()):
        messages = [Message(role="user", content=text)]
    if not messages or not messages[-1].content.strip():
        return None
    return Candidate(
        source=str(row.id) if row.id != "" else numbered,
        messages=tuple(messages),
        tools=cast("tuple[JsonObject, ...]", row.tools),
        question=messages[-1].content,
    )


def _token_ids(candidate: Candidate, chat: ChatFormat) -> tuple[int, ...] | None:
    """None where the model's chat template refuses the conversation."""
    try:
        return chat.token_ids(chat.render(candidate.messages, ask=True, tools=candidate.tools))
    except InputError:
        return None
