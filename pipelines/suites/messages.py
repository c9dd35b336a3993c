"""A conversation in a suite: OpenAI's chat format as its API writes it, and nothing that has to be guessed.

Contents and roles are read as corpora read them (`chat_messages`). Unlike logs, a suite is written by hand:
keys and roles of other formats are refused with what to write instead.
"""

from typing import Annotated, Literal, cast

from pydantic import AfterValidator, BeforeValidator, JsonValue, model_validator

from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.domain.values import JsonValue as Written
from quantgate.pipelines.specs.chat_messages import (
    LOG_ROLES,
    ROLES,
    THOUGHTS,
    ForeignContentError,
    open_arguments,
    text_of,
)
from quantgate.pipelines.specs.loading import Spec

_FUNCTION_CALL = "function_call"
_UNUSED = "annotations"
"""A list that the API writes beside every answer; without entries it says nothing."""


class TextPart(Spec):
    """A part of a content that comes in parts; only texts can be asked."""

    type: Literal["text", "input_text", "output_text"]
    text: str


def _content(value: JsonValue) -> str:
    try:
        return text_of(cast("Written", value), "a message")
    except ForeignContentError as error:
        raise ValueError(f"{error}: only text can be asked") from error


def _role(value: JsonValue) -> JsonValue:
    if not isinstance(value, str):
        return value
    if value in ROLES:
        return ROLES[value]
    if value in LOG_ROLES:
        raise ValueError(f"'{value}' is no role here: write '{LOG_ROLES[value]}'")
    raise ValueError(f"'{value}' is no role; roles are {', '.join(ROLES)}")


def _opens(calls: tuple[dict[str, JsonValue], ...]) -> tuple[dict[str, JsonValue], ...]:
    """Return calls as they are written; raises ValueError where arguments, as text, name a key twice."""
    for call in calls:
        open_arguments(cast("JsonObject", call))
    return calls


class MessageSpec(Spec):
    """One chat message as OpenAI's chat format writes it."""

    role: Annotated[
        Literal["system", "user", "assistant", "tool"],
        BeforeValidator(
            _role,
            json_schema_input_type=Literal[
                "system", "user", "assistant", "tool", "developer", "function"
            ],
        ),
    ]
    """Who speaks; `developer` is read as system, `function` as tool."""
    content: Annotated[
        str, BeforeValidator(_content, json_schema_input_type=str | tuple[TextPart, ...] | None)
    ] = ""
    """A text, or parts of text, which are joined by line breaks; null is empty."""
    name: str | None = None
    tool_calls: Annotated[tuple[dict[str, JsonValue], ...], AfterValidator(_opens)] = ()
    """Calls that the assistant made earlier in the conversation; arguments as an object or as JSON text."""
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    """What the assistant thought before it answered; `reasoning` is another name of it."""

    @model_validator(mode="before")
    @classmethod
    def _as_its_api_writes_it(cls, value: JsonValue) -> JsonValue:
        """Drop keys without a value, which the API writes, and name what stands for other formats' keys."""
        if not isinstance(value, dict):
            return value
        kept: dict[str, JsonValue] = {key: part for key, part in value.items() if part is not None}
        if kept.get(_UNUSED) == []:
            del kept[_UNUSED]
        if "from" in kept and "role" not in kept:
            role = LOG_ROLES.get(str(kept["from"]), "user")
            raise ValueError(
                f"'from' and 'value' are another format's keys: write role '{role}' and content"
            )
        if _FUNCTION_CALL in kept:
            raise ValueError(f"'{_FUNCTION_CALL}' is no longer written: write `tool_calls`")
        for key in THOUGHTS[1:]:
            if key in kept and THOUGHTS[0] not in kept:
                kept[THOUGHTS[0]] = kept.pop(key)
        return kept

    def message(self) -> Message:
        """Return the domain object."""
        return Message(**self.model_dump())


def as_list(value: JsonValue) -> JsonValue:
    """Return messages as they are; raises ValueError where they are a text, with what to write."""
    if isinstance(value, str):
        raise ValueError(
            "messages are a text: write the list itself, without quotes around it, or say "
            "`items: {path: items.jsonl, json_columns: [messages]}`"
        )
    return value
