"""Conversations as callers hand them over, and what answers them."""

import json
import warnings
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, Protocol

Conversation = Mapping[str, Any]
"""`messages`, and perhaps `tools`, in OpenAI's form."""


class Answerer(Protocol):
    """A runtime with the model loaded."""

    def answer(self, conversation: Conversation, decode: Mapping[str, Any]) -> str:
        """Return what the model says next, sampled as a suite did (the manifest's `decode`)."""
        ...


def conversations_of(given: Any) -> Sequence[Conversation]:
    """Return conversations, whether they came as dictionaries or as a table that MLflow made of them."""
    rows = given.to_dict("records") if hasattr(given, "to_dict") else given
    return [_conversation(row) for row in ([rows] if isinstance(rows, dict) else rows)]


def _conversation(row: Mapping[str, Any]) -> Conversation:
    tools: Any = row.get("tools")
    given = list(tools) if hasattr(tools, "__len__") else []  # a table has NaN where a row has none
    return {"messages": [_message(message) for message in row["messages"]], "tools": given or None}


def _message(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message without fields that a table filled up with nothing."""
    return {name: value for name, value in given.items() if value is not None or name == "content"}


def opened(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return messages with the arguments of calls as objects, which is how chat templates take them."""
    return [
        {**message, "tool_calls": [_opened_call(call) for call in message["tool_calls"]]}
        if message.get("tool_calls")
        else dict(message)
        for message in messages
    ]


def _opened_call(call: Mapping[str, Any]) -> Mapping[str, Any]:
    function = call.get("function") or {}
    if not isinstance(function.get("arguments"), str):
        return call
    return {**call, "function": {**function, "arguments": json.loads(function["arguments"])}}


def warn_of_another_version(package: str, judged: str) -> None:
    """Warn where another version answers than the one that was judged."""
    if (here := metadata.version(package)) != judged:
        warnings.warn(f"{package} {here} answers, and {judged} was judged", stacklevel=2)
