"""One row of any source as a conversation or a text: the hot path, so plain values and no models.

Understood are our own names (`messages`, `prompt` with `response`, `text`), columns that a spec maps, logged
calls of an OpenAI-style API (`{"request": {"messages": …}, "response": {"choices": …}}`) and the
`from`/`value` turns of shared chats. Nulls count as absent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, cast

from quantgate.calibration.specs.corpus import Fields, Rendering
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.specs.chat_messages import (
    BrokenRowError,
    as_text,
    message_from,
    messages_of,
    parsed,
    plain_message,
    tools_of,
    with_open_arguments,
)

_CONTENT = ("messages", "prompt", "response", "text")
STANDARD_COLUMNS = (*_CONTENT, "request", "conversations", "id", "tools", "language", "domain")


class Place(NamedTuple):
    """What reads a row again: its position, and for lines its length in bytes."""

    position: int
    length: int


RawRow: TypeAlias = "tuple[Place, JsonObject | BrokenRowError]"


@dataclass(slots=True)
class SourceRow:
    """A row's parts. Messages are plain objects with a role, a content and what else they have."""

    identifier: str = ""
    messages: list[JsonObject] = field(default_factory=list)
    text: str = ""
    tools: list[JsonObject] = field(default_factory=list)
    language: str = ""
    domain: str = ""

    @property
    def contents(self) -> list[str]:
        """All that is said in it."""
        said = [cast("str", message["content"]) for message in self.messages]
        return [*said, self.text] if self.text else said

    @property
    def asked(self) -> str:
        """What tells its language: what users wrote, or all of it where no user did."""
        asked = [cast("str", m["content"]) for m in self.messages if m["role"] == "user"]
        return "\n".join(part for part in asked if part) or "\n".join(self.contents)

    def content(self) -> JsonValue:
        """Return what identity is made of: see `content_of`."""
        return _content(self.text, self.messages, self.tools)

    def sequence(self, *, source: str) -> CorpusSequence:
        """Return the domain object."""
        return CorpusSequence(
            id=self.identifier,
            messages=tuple(message_from(message) for message in self.messages),
            text=self.text,
            tools=tuple(self.tools),
            source=source,
            language=self.language,
            domain=self.domain,
        )


def content_of(sequence: CorpusSequence) -> JsonValue:
    """Return what a sequence's identity is made of: text, messages and tools, never where it comes from.

    A message is `[role, content]`, with an object of what else it has where it has more.
    """
    messages = [plain_message(message) for message in sequence.messages]
    return _content(sequence.text, messages, sequence.tools)


def _content(text: str, messages: list[JsonObject], tools: Sequence[JsonObject]) -> JsonValue:
    content: list[JsonValue] = [text]
    for message in messages:
        if len(message) == 2:
            content.append([message["role"], message["content"]])
        else:
            more = {k: part for k, part in message.items() if k not in ("role", "content")}
            content.append([message["role"], message["content"], more])
    if tools:
        content.append({"tools": list(tools)})
    return content


class RowReader:
    """Reads rows of one source; `unseen` are mapped columns that no row has had so far."""

    def __init__(self, fields: Fields, json_columns: Sequence[str], rendering: Rendering) -> None:
        """Prepare for the columns that a spec names."""
        self._fields = fields
        self._json_columns = json_columns
        self._raw = rendering == "raw"
        self._mapped = any(getattr(fields, name) for name in _CONTENT)
        named = (getattr(fields, name) for name in Fields.__dataclass_fields__)
        self.unseen = {column for column in named if column}

    def read(self, row: JsonObject) -> SourceRow:
        """Return a row's parts; one without content has neither messages nor text.

        Raises:
            BrokenRowError: where it is not what it has to be.
            ForeignContentError: where it holds more than text.
        """
        if self._json_columns:
            row = self._with_json(row)
        if self.unseen:
            self.unseen = {column for column in self.unseen if _cell(row, column) is None}
        fields = self._fields
        parts = SourceRow(
            identifier=_text(row, fields.id or "id"),
            tools=tools_of(_cell(row, fields.tools or "tools")),
            language=_text(row, fields.language or "language"),
            domain=_text(row, fields.domain or "domain"),
        )
        self._fill(parts, row)
        if self._raw and parts.messages:
            contents = (cast("str", message["content"]) for message in parts.messages)
            parts.text = "\n".join(part for part in contents if part)
            parts.messages, parts.tools = [], []
        return parts

    def _fill(self, parts: SourceRow, row: JsonObject) -> None:
        """Put in the conversation, or the text."""
        values = {name: self._column(row, name) for name in _CONTENT}
        if not self._mapped and values["messages"] is None:
            if isinstance(row.get("conversations"), list):
                values["messages"] = row["conversations"]
            elif "request" in row:
                _fill_from_call(parts, row)
                return
        if values["messages"] is not None:
            parts.messages = _opened(values["messages"])
        text = as_text(values["text"], "text")
        if parts.messages and text and not self._mapped:
            raise BrokenRowError("has both messages and text: name one of them in `fields`")
        if not parts.messages:
            for role, name in (("user", "prompt"), ("assistant", "response")):
                if (said := as_text(values[name], name)) and not (text and not self._mapped):
                    parts.messages.append({"role": role, "content": said})
        if not parts.messages:
            parts.text = text if text.strip() else ""

    def _column(self, row: JsonObject, name: str) -> JsonValue:
        column = getattr(self._fields, name)
        if column:
            return _cell(row, column)
        return None if self._mapped else row.get(name)

    def _with_json(self, row: JsonObject) -> JsonObject:
        opened = dict(row)
        for column in self._json_columns:
            value = row.get(column)
            if isinstance(value, str):
                opened[column] = parsed(value, column) if value.strip() else None
        return opened


def _fill_from_call(parts: SourceRow, row: JsonObject) -> None:
    """Fill in a logged call: what was asked, and the first choice that answered it."""
    request, response = (_object(row.get(name), name) for name in ("request", "response"))
    parts.messages = _opened(request.get("messages") or [])
    parts.tools = parts.tools or tools_of(request.get("tools"))
    choices = response.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        answer = choices[0].get("message")
        if isinstance(answer, dict):
            parts.messages += _opened([{"role": "assistant", **answer}])


def _opened(messages: JsonValue) -> list[JsonObject]:
    """Return messages with arguments of calls as objects: text and object are one content."""
    return [with_open_arguments(message) for message in messages_of(messages)]


def _object(value: JsonValue, name: str) -> JsonObject:
    if isinstance(value, str) and value.strip():
        value = parsed(value, name)
    return value if isinstance(value, dict) else {}


def _cell(row: JsonObject, column: str) -> JsonValue:
    if column in row or "." not in column:
        return row.get(column)
    value: JsonValue = row
    for part in column.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _text(row: JsonObject, column: str) -> str:
    value = _cell(row, column)
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
