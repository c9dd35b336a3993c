"""JSON from a stranger, made harmless where it comes in: bounded depth, whole characters, no secrets."""

import json
import re
from collections.abc import Callable

from quantgate.pipelines.domain.secrets import without_values
from quantgate.pipelines.domain.values import JsonObject, JsonValue

MOST_LEVELS = 100
_HALF = re.compile("[\ud800-\udfff]")
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


def parsed_reply(body: bytes) -> JsonValue:
    """Return the value that a reply's body holds.

    Bytes that are no UTF-8, and halves of surrogate pairs (RFC 8259, 8.2: "\\ud83d" alone), become U+FFFD: no
    file could hold them. This process's secrets are taken out. `NaN` and infinities are read as such.

    Raises:
        ValueError: where it is no JSON, or nested more than 100 levels deep.
    """
    text = without_values(body.decode("utf-8-sig", errors="replace"))
    require_shallow(text)
    value: JsonValue = json.loads(text)
    return whole_characters(value) if "\\u" in text else value


def require_shallow(text: str) -> None:
    """Refuse JSON text that is nested too deep for whoever walks through it.

    Raises:
        ValueError: at more than 100 levels.
    """
    if text.count("[") + text.count("{") <= MOST_LEVELS:
        return
    depth = 0
    for token in _BRACKETS.finditer(text):
        depth += (token[0] in "[{") - (token[0] in "]}")
        if depth > MOST_LEVELS:
            raise ValueError(f"it is nested more than {MOST_LEVELS} levels deep")


def whole_characters(value: JsonValue) -> JsonValue:
    """Return JSON values, at most 100 levels deep, with surrogates joined to characters or replaced."""
    match value:
        case str():
            return _whole(value)
        case list():
            return [whole_characters(part) for part in value]
        case dict():
            return {_whole(key): whole_characters(part) for key, part in value.items()}
    return value


def _whole(text: str) -> str:
    if not _HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", errors="replace")


def message_of(body: bytes, reason: str) -> str:
    """Return what a server says is wrong: OpenAI's error object, vLLM's and FastAPI's forms, or the text.

    Of a page in HTML only the words stand; `reason` is for a body that says nothing.
    """
    try:
        value = parsed_reply(body)
    except ValueError:
        text = body.decode("utf-8", errors="replace")
        words = re.sub(r"<[^>]{0,1000}>", " ", text) if "<html" in text[:1000].lower() else text
        return " ".join(words.split()) or reason
    error = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(error, dict):
        return str(error.get("message") or error.get("detail") or error)
    return str(error)


def object_in(body: bytes, shown: Callable[[bytes], str]) -> JsonObject:
    """Return the JSON object that a reply's body holds.

    Raises:
        ValueError: where it holds none, with the beginning of what it holds instead.
    """
    try:
        value = parsed_reply(body)
    except ValueError as error:
        why = f" ({error})" if "nested" in str(error) else ""
        raise ValueError(f"the reply is not JSON{why}: {shown(body)}") from error
    if not isinstance(value, dict):
        raise ValueError(f"the reply is not a JSON object: {shown(body)}")
    return value
