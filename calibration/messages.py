"""Messages and tools as logs hold them, as plain objects of what chat templates read."""

from collections.abc import Mapping
from typing import cast

from pydantic_core import from_json

from pipelines.domain.values import JsonObject, JsonValue

_ROLES = {
    "system": "system", "user": "user", "assistant": "assistant", "tool": "tool",
    "developer": "system", "function": "tool",
    "human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant",
}  # fmt: skip
_TEXT_PARTS = ("text", "input_text", "output_text")


class BrokenRowError(ValueError):
    """A row that cannot be understood; its text says what is wrong with it."""


class ForeignContentError(ValueError):
    """A row that holds something other than text: an image, a sound."""


def messages_of(value: JsonValue) -> list[JsonObject]:
    """Return messages with a role, a content and what else they have.

    Raises:
        BrokenRowError: where they are none.
        ForeignContentError: where they hold more than text.
    """
    if not isinstance(value, list | tuple):
        raise BrokenRowError(f"messages are no list but {_kind(value)}")
    return [_message(one, number) for number, one in enumerate(value, start=1)]


def _message(value: JsonValue, number: int) -> JsonObject:
    if not isinstance(value, dict):
        raise BrokenRowError(f"message {number} is no object but {_kind(value)}")
    role = value.get("role") or value.get("from")
    known = _ROLES.get(role) if isinstance(role, str) else None
    if known is None:
        raise BrokenRowError(f"message {number} has the role {role!r}; roles are system, user, …")
    content = value.get("content")
    if not isinstance(content, str):
        content = _joined(content if content is not None else value.get("value"), number)
    message: JsonObject = {"role": known, "content": content}
    if len(value) > 2:
        _add_more(message, value, number)
    return message


def _add_more(message: JsonObject, value: JsonObject, number: int) -> None:
    for key in ("name", "tool_call_id"):
        if isinstance(value.get(key), str) and value[key]:
            message[key] = value[key]
    calls = value.get("tool_calls")
    if calls:
        if not isinstance(calls, list | tuple) or not all(isinstance(c, dict) for c in calls):
            raise BrokenRowError(f"tool_calls of message {number} are no list of objects")
        message["tool_calls"] = [_call(cast("JsonObject", call)) for call in calls]


def _call(call: JsonObject) -> JsonObject:
    """Return a call with its arguments as an object, as chat templates take them (OpenAI sends JSON text)."""
    kept = cast("JsonObject", _without_nulls(call))
    function = kept.get("function")
    if isinstance(function, dict) and isinstance(function.get("arguments"), str):
        try:
            arguments = from_json(cast("str", function["arguments"]), allow_inf_nan=False)
        except ValueError:
            return kept
        if isinstance(arguments, dict):
            return kept | {"function": function | {"arguments": arguments}}
    return kept


def _joined(content: JsonValue, number: int) -> str:
    """Return the text of a content that is null, or a list of parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list | tuple):
        raise BrokenRowError(f"the content of message {number} is no text but {_kind(content)}")
    texts = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and part.get("type") in _TEXT_PARTS:
            texts.append(as_text(part.get("text"), f"message {number}"))
        else:
            raise ForeignContentError
    return "\n".join(texts)


def tools_of(value: JsonValue) -> list[JsonObject]:
    """Return functions on offer; raises BrokenRowError where they are none."""
    if not value:
        return []
    if isinstance(value, str):
        value = parsed(value, "tools")
    if not isinstance(value, list | tuple) or not all(isinstance(tool, dict) for tool in value):
        raise BrokenRowError("tools are no list of objects")
    return [cast("JsonObject", _without_nulls(tool)) for tool in value]


def parsed(text: str, name: str) -> JsonValue:
    """Return what a text says as JSON; raises BrokenRowError where it is none."""
    try:
        return cast("JsonValue", from_json(text, allow_inf_nan=False))
    except ValueError as error:
        raise BrokenRowError(f"{name} is not JSON: {error}") from error


def as_text(value: JsonValue, name: str) -> str:
    """Return a text, "" for null; raises BrokenRowError where it is something else."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BrokenRowError(f"{name} is no text but {_kind(value)}")
    return value


def _without_nulls(value: JsonValue) -> JsonValue:
    """Tables fill keys that a row lacks with nulls."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(part) for part in value]
    return value


def _kind(value: JsonValue) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower() if value is not None else "null"
    names = {str: "a text", int: "a number", float: "a number", dict: "an object", list: "a list"}
    return names.get(type(value), type(value).__name__)
