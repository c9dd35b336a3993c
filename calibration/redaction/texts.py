"""Every text of a sequence in which people write, in a fixed order, to be read or replaced.

Texts that are JSON documents (a tool call's arguments, an answer in JSON) are taken apart, so that a
replacement never breaks a quote or an escape; all but the replaced literals keeps its bytes.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import JsonObject, JsonValue

_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![\w.+-])\d{7,}(?![\w.])', re.DOTALL)
_FORMAT_KEYS = frozenset({"function", "arguments", "name", "type"})
_DEEPEST = 40
"""JSON nested deeper is left to be text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedText:
    """One text and where it stands. A number has to remain one."""

    place: str
    text: str
    is_number: bool = False


Change = Callable[[PlacedText], str]


def changed(sequence: CorpusSequence, change: Change) -> CorpusSequence:
    """Return the sequence with every text passed through `change`, called in a fixed order.

    Passed are raw texts, messages' contents and names, and what their tool calls hold; not ids, roles and
    the definitions of tools.
    """
    return replace(
        sequence,
        text=_text("text", sequence.text, change),
        messages=tuple(
            _message(f"messages[{index}]", message, change)
            for index, message in enumerate(sequence.messages)
        ),
    )


def parts_of(sequence: CorpusSequence) -> list[PlacedText]:
    """Return every text of a sequence, in the order in which `changed` passes them."""
    parts: list[PlacedText] = []

    def note(part: PlacedText) -> str:
        parts.append(part)
        return part.text

    changed(sequence, note)
    return parts


def _message(place: str, message: Message, change: Change) -> Message:
    calls = [
        _call(f"{place}.tool_calls[{index}]", call, change)
        for index, call in enumerate(message.tool_calls)
    ]
    return replace(
        message,
        content=_text(f"{place}.content", message.content, change),
        name=None if message.name is None else _text(f"{place}.name", message.name, change),
        tool_calls=tuple(calls),
    )


def _call(place: str, call: JsonObject, change: Change) -> JsonObject:
    """Pass a tool call's texts; its id links it to its result and says nothing."""
    return {
        key: value if key == "id" else _value(_below(place, key, index), value, change, 0)
        for index, (key, value) in enumerate(call.items())
    }


def _below(place: str, key: str, index: int) -> str:
    """Return the place of a key's value; keys that are not the format's own may be personal: a number."""
    return f"{place}.{key}" if key in _FORMAT_KEYS else f"{place}[{index}]"


def _value(place: str, value: JsonValue, change: Change, depth: int) -> JsonValue:
    if isinstance(value, str):
        return _text(place, value, change)
    if isinstance(value, int) and not isinstance(value, bool):
        return _number(place, str(value), change)
    if depth > _DEEPEST:
        return value
    if isinstance(value, dict):
        return {
            _text(f"{place} key {i}", k, change): _value(_below(place, k, i), v, change, depth + 1)
            for i, (k, v) in enumerate(value.items())
        }
    if isinstance(value, list):
        return [_value(f"{place}[{i}]", v, change, depth + 1) for i, v in enumerate(value)]
    return value


def _number(place: str, digits: str, change: Change) -> JsonValue:
    new = change(PlacedText(place=place, text=digits, is_number=True))
    return int(new) if new.removeprefix("-").isdigit() else new


def _text(place: str, text: str, change: Change) -> str:
    if not _is_json(text):
        return change(PlacedText(place=place, text=text))
    count = -1

    def literal(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        where, old = f"{place} literal {count}", match[0]
        if not old.startswith('"'):
            return change(PlacedText(place=where, text=old, is_number=True))
        said = json.loads(old, strict=False)
        new = _text(where, said, change)
        return old if new == said else json.dumps(new, ensure_ascii=old.isascii())

    return _LITERAL.sub(literal, text)


def _is_json(text: str) -> bool:
    """Whether a text is a JSON object or array."""
    if text.lstrip()[:1] not in {"{", "["}:
        return False
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    return True
