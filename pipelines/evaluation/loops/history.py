"""A held conversation as messages: what production would send to the model at its next step.

A chat template that renders `tool_calls` and `tool` messages gets the calls parsed, as a server with a tool
parser returns them and a client sends them back, with the text before them as content. A template that drops
calls gets the answer as it was written; one that knows no `tool` role gets results as user messages.
What a model thought is no part of its content: it goes back apart, as `reasoning_content`, and the template
decides what becomes of it (most leave it out, some keep it until the next user message).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.evaluation.graders.calls.read import Call
from quantgate.pipelines.evaluation.graders.reading.fences import without_end_tokens
from quantgate.pipelines.evaluation.loops.conversation import Conversation, Exchange
from quantgate.pipelines.evaluation.loops.written_calls import written_arguments

_CALL, _VALUE, _RESULT = "probed_tool", "probed value", "probed result"
_OFFERED: JsonObject = {
    "type": "function",
    "function": {
        "name": "another_tool",
        "description": "Is offered and not called: what is called shows in a rendering as a call alone.",
        "parameters": {
            "type": "object",
            "properties": {"argument": {"type": "string", "description": "any text"}},
            "required": ["argument"],
        },
    },
}
_CALL_OPENINGS = (
    "<tool_call>",
    "<|tool_call|>",
    "<function=",
    "<|python_tag|>",
    "[TOOL_CALLS]",
    "<\uff5ctool\u2581calls\u2581begin\uff5c>",
    "```tool_code",
)
"""What stands between a remark and the calls after it; formats without such a mark have no remarks."""


class Renders(Protocol):
    """What renders a conversation; see `pipelines.evaluation.chat`."""

    def render(
        self, messages: Sequence[Message], *, ask: bool, tools: Sequence[JsonObject] = ()
    ) -> str:
        """Return a conversation as the model sees it.

        Raises:
            InputError: where the template refuses it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryForm:
    """How calls and their results are put back into a conversation."""

    calls: Literal["tool_calls", "text"]
    results: Literal["tool", "user"]


def history_form(chat: Renders) -> HistoryForm:
    """Try what the template renders: calls, and results under the role of a tool."""
    question = Message(role="user", content="?")
    call = Call(name=_CALL, arguments={"argument": _VALUE})
    result = Message(role="tool", content=_RESULT, name=_CALL, tool_call_id=_call_id(1))
    parsed = Message(role="assistant", content="", tool_calls=(_openai(call, 1),))
    if _shows(chat, (question, parsed, result), (_CALL, _VALUE, _RESULT)):
        return HistoryForm(calls="tool_calls", results="tool")
    written = Message(role="assistant", content="an answer")
    results: Literal["tool", "user"] = (
        "tool" if _shows(chat, (question, written, result), (_RESULT,)) else "user"
    )
    return HistoryForm(calls="text", results=results)


def _shows(chat: Renders, messages: tuple[Message, ...], texts: tuple[str, ...]) -> bool:
    """Whether a rendering holds all of these texts."""
    try:
        rendered = chat.render(messages, ask=True, tools=(_OFFERED,))
    except InputError:
        return False
    return all(text in rendered for text in texts)


def messages_of(conversation: Conversation, form: HistoryForm) -> tuple[Message, ...]:
    """Return the whole conversation, from the item's own messages to what was said last."""
    return (*conversation.item.messages, *_exchanged(conversation, form))


def _exchanged(conversation: Conversation, form: HistoryForm) -> Iterator[Message]:
    called = 0
    for exchange in conversation.exchanges:
        yield _answer(exchange, form, called)
        results = exchange.answer.tool_results[: len(exchange.calls)]
        said = [] if exchange.user is None else [exchange.user]
        if form.results == "user":
            # One message: templates without a tool's role often want users and assistant to take turns.
            said = ["\n".join((*results, *said))] if results or said else []
        else:
            calls = zip(exchange.calls, results, strict=False)
            yield from (_result(*pair, place) for place, pair in enumerate(calls, start=called + 1))
        called += len(exchange.calls)
        yield from (Message(role="user", content=text) for text in said)


def _answer(exchange: Exchange, form: HistoryForm, called: int) -> Message:
    said, thoughts = _returned(exchange.spoken.text), exchange.spoken.thoughts
    thought = thoughts if thoughts and exchange.spoken.finished else None
    if not exchange.calls or form.calls == "text":
        return Message(role="assistant", content=said, reasoning_content=thought)
    return Message(
        role="assistant",
        content=_remark(said),
        reasoning_content=thought,
        tool_calls=tuple(
            _openai(replace(call, arguments=written_arguments(said, call)), place)
            for place, call in enumerate(exchange.calls, start=called + 1)
        ),
    )


def _result(call: Call, result: str, place: int) -> Message:
    return Message(role="tool", content=result, name=call.name, tool_call_id=_call_id(place))


def _remark(said: str) -> str:
    """What an answer says before its calls, with its spaces, as a server's tool parser returns it."""
    starts = [said.find(opening) for opening in _CALL_OPENINGS if opening in said]
    remark = said[: min(starts)] if starts else ""
    return remark if remark.strip() else ""


def _returned(said: str) -> str:
    """An answer as a server returns it: with spaces at its ends, without the template's end tokens."""
    ended = without_end_tokens(said)
    return said if ended == said.strip() else ended


def _openai(call: Call, place: int) -> JsonObject:
    """A call as OpenAI's API writes it: arguments are JSON text."""
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return {
        "id": _call_id(place),
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _call_id(place: int) -> str:
    """Nine letters and digits, which Mistral's templates demand and all others take."""
    return f"call{place:05}"
