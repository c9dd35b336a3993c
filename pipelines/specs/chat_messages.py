"""Chat messages and tools as people's files, logs and APIs hold them: the one reader of suites and corpora.

Understood are OpenAI's chat format (https://platform.openai.com/docs/api-reference/chat: null contents,
lists of parts, the role `developer`, arguments of calls as JSON text), thoughts as vLLM and DeepSeek write
them (`reasoning_content`, `reasoning`), and, in logs, the `from`/`value` turns of shared chats. Values stay
plain objects: corpora read millions of them.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.files.json_text import JsonTextError, KeyTwiceError, parse_structure

ROLES = {
    "system": "system", "user": "user", "assistant": "assistant", "tool": "tool",
    "developer": "system", "function": "tool",
}  # fmt: skip
"""Roles of OpenAI's API, by the four that chat templates know."""

LOG_ROLES = ROLES | {
    "human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "ai": "assistant",
}  # fmt: skip
"""Roles that other logs write as well."""

THOUGHTS = ("reasoning_content", "reasoning")
"""Keys of what an assistant thought before it answered; the first is what chat templates read."""

_TEXT_PARTS = ("text", "input_text", "output_text")
_NAMES = ("name", "tool_call_id")


class BrokenRowError(ValueError):
    """A row that cannot be understood; its text says what is wrong with it."""


class ForeignContentError(ValueError):
    """A row that holds something other than text: an image, a sound."""


def messages_of(value: JsonValue) -> list[JsonObject]:
    """Return messages with a role, a content and what else they have.

    Arguments of calls stay as they are written: `with_open_arguments` opens them.

    Raises:
        BrokenRowError: where they are none.
        ForeignContentError: where they hold more than text.
    """
    if isinstance(value, str):
        raise BrokenRowError(
            "messages are no list but a text; where it is JSON, name the column in `json_columns`"
        )
    if not isinstance(value, list | tuple):
        raise BrokenRowError(f"messages are no list but {kind_of(value)}")
    return [_message(message, number) for number, message in enumerate(value, start=1)]


def _message(value: JsonValue, number: int) -> JsonObject:
    name = f"message {number}"
    if not isinstance(value, dict):
        raise BrokenRowError(f"{name} is no object but {kind_of(value)}")
    written = value.get("role") or value.get("from")
    role = LOG_ROLES.get(written) if isinstance(written, str) else None
    if role is None:
        raise BrokenRowError(f"{name} has the role {written!r}; roles are system, user, …")
    content = value.get("content")
    if not isinstance(content, str):
        content = text_of(content if content is not None else value.get("value"), name)
    message: JsonObject = {"role": role, "content": content}
    if len(value) > 2:
        _add_more(message, value, name)
    return message


def _add_more(message: JsonObject, value: JsonObject, name: str) -> None:
    for key in _NAMES:
        if isinstance(value.get(key), str) and value[key]:
            message[key] = value[key]
    calls = value.get("tool_calls")
    if calls:
        if not isinstance(calls, list | tuple) or not all(isinstance(c, dict) for c in calls):
            raise BrokenRowError(f"tool_calls of {name} are no list of objects")
        message["tool_calls"] = [without_nulls(call) for call in calls]
    if thoughts := thoughts_of(value, name):
        message[THOUGHTS[0]] = thoughts


def thoughts_of(value: JsonObject, name: str) -> str:
    """Return what an assistant thought before it answered, "" where nothing is said of it.

    Raises:
        BrokenRowError: where it is no text.
    """
    for key in THOUGHTS:
        if value.get(key):
            return as_text(value[key], f"{key} of {name}")
    return ""


def with_open_arguments(message: JsonObject) -> JsonObject:
    """Return a message whose calls hold arguments as objects, as chat templates go through them.

    OpenAI's API writes them as JSON text; text that is no JSON object stays as it is.

    Raises:
        BrokenRowError: where arguments name a key twice.
    """
    calls = message.get("tool_calls")
    if not calls:
        return message
    return message | {
        "tool_calls": [open_arguments(call) for call in cast("list[JsonObject]", calls)]
    }


def open_arguments(call: JsonObject) -> JsonObject:
    """Return a call with its arguments as an object, where they are the JSON text of one.

    Raises:
        BrokenRowError: where they name a key twice: nobody knows which of the values was meant.
    """
    function = call.get("function")
    if isinstance(function, dict) and isinstance(function.get("arguments"), str):
        try:
            arguments = parse_structure(cast("str", function["arguments"]))
        except KeyTwiceError as error:
            raise BrokenRowError(f"arguments of a call: {error}") from error
        except JsonTextError:
            return call
        if isinstance(arguments, dict):
            return call | {"function": function | {"arguments": arguments}}
    return call


def text_of(content: JsonValue, name: str) -> str:
    """Return the text of a content that is a text, null, or a list of parts, which are joined by lines.

    Raises:
        BrokenRowError: where it is something else.
        ForeignContentError: where a part is no text.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list | tuple):
        raise BrokenRowError(f"the content of {name} is no text but {kind_of(content)}")
    texts = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and part.get("type") in _TEXT_PARTS:
            texts.append(as_text(part.get("text"), name))
        else:
            kind = part.get("type") if isinstance(part, dict) else kind_of(part)
            raise ForeignContentError(f"the content of {name} has a part that is no text ({kind})")
    return "\n".join(texts)


def tools_of(value: JsonValue) -> list[JsonObject]:
    """Return functions on offer; raises BrokenRowError where they are none."""
    if not value:
        return []
    if isinstance(value, str):
        value = parsed(value, "tools")
    if not isinstance(value, list | tuple) or not all(isinstance(tool, dict) for tool in value):
        raise BrokenRowError("tools are no list of objects")
    return [cast("JsonObject", without_nulls(tool)) for tool in value]


def parsed(text: str, name: str) -> JsonValue:
    """Return what a text says as JSON; raises BrokenRowError where it is none."""
    try:
        return parse_structure(text)
    except JsonTextError as error:
        raise BrokenRowError(f"{name} is not JSON: {error}") from error


def as_text(value: JsonValue, name: str) -> str:
    """Return a text, "" for null; raises BrokenRowError where it is something else."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BrokenRowError(f"{name} is no text but {kind_of(value)}")
    return value


def without_nulls(value: JsonValue) -> JsonValue:
    """Return a value without keys that hold null: tables fill those that a row lacks with it."""
    if isinstance(value, Mapping):
        return {key: without_nulls(part) for key, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(part) for part in value]
    return value


def kind_of(value: JsonValue) -> str:
    """Return what kind of JSON value this is, in words."""
    if value is None or isinstance(value, bool):
        return str(value).lower() if value is not None else "null"
    names = {str: "a text", int: "a number", float: "a number", dict: "an object", list: "a list"}
    return names.get(type(value), type(value).__name__)


def plain_message(message: Message) -> JsonObject:
    """Return a message as an object of what it has, in OpenAI's form."""
    plain: JsonObject = {"role": message.role, "content": message.content}
    if message.name is not None:
        plain["name"] = message.name
    if message.tool_calls:
        plain["tool_calls"] = list(message.tool_calls)
    if message.tool_call_id is not None:
        plain["tool_call_id"] = message.tool_call_id
    if message.reasoning_content is not None:
        plain["reasoning_content"] = message.reasoning_content
    return plain


def message_from(plain: JsonObject) -> Message:
    """Return the domain object of a message that `messages_of` read."""
    return Message(
        role=cast("str", plain["role"]),  # type: ignore[arg-type]  # one of the four, see ROLES
        content=cast("str", plain["content"]),
        name=cast("str | None", plain.get("name")),
        tool_calls=tuple(cast("Sequence[JsonObject]", plain.get("tool_calls", ()))),
        tool_call_id=cast("str | None", plain.get("tool_call_id")),
        reasoning_content=cast("str | None", plain.get("reasoning_content")),
    )
