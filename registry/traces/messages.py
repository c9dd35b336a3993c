"""What went into a model call and came out of it, as OpenAI's messages, whichever library traced it.

Known are the shapes that MLflow's own tracing of OpenAI (chat completions and responses), Anthropic and
LangChain leaves in spans, and anything else with a list of messages in it.
"""

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.specs.chat_messages import LOG_ROLES

_ROLES = LOG_ROLES | {"AIMessageChunk": "assistant"}
_INPUT = "input"
"""May be a list of messages, or what a user asked as it stands."""

_LISTS = ("messages", _INPUT)
_ANSWERS = ("message", "output", "messages", "content", "generations", "response")
_DEEPEST = 6


def conversation(inputs: JsonValue, outputs: JsonValue) -> JsonObject | None:
    """Return `messages` (and `tools`, where some were offered), or None where this was no chat."""
    asked = _asked(inputs)
    if not any(message["role"] == "user" for message in asked):
        return None
    chat: JsonObject = {"messages": [*asked, *_answer(outputs)]}
    tools = inputs.get("tools") if isinstance(inputs, dict) else None
    if isinstance(tools, list) and tools:
        chat["tools"] = tools
    return chat


def _asked(inputs: JsonValue) -> list[JsonObject]:
    if not isinstance(inputs, dict):
        return _messages(inputs)
    for name in _LISTS:
        given = inputs.get(name)
        asked = given if name == _INPUT and isinstance(given, str) else ""
        messages = [_message("user", asked)] if asked else _messages(given)
        if messages:
            system = _text(inputs.get("system") or inputs.get("instructions"))
            return [_message("system", system), *messages] if system else messages
    return []


def _answer(outputs: JsonValue, depth: int = 0) -> list[JsonObject]:
    """Return the assistant's message in what came out, wherever it stands; empty where there is none."""
    if isinstance(outputs, str):
        return [_message("assistant", outputs)] if outputs else []
    if isinstance(outputs, list):
        messages = _messages(outputs)
        if not messages and outputs and depth < _DEEPEST:
            return _answer(outputs[0], depth + 1)
        return messages[-1:]
    if not isinstance(outputs, dict) or depth == _DEEPEST:
        return []
    if choices := outputs.get("choices"):
        return _answer(choices, depth + 1)
    if outputs.get("role") or outputs.get("type") in _ROLES:
        return _messages([outputs])
    for name in _ANSWERS:
        if name in outputs and (messages := _answer(outputs[name], depth + 1)):
            return messages
    return []


def _messages(given: JsonValue) -> list[JsonObject]:
    """Return the messages of a list, which LangChain wraps in another one, but for empty ones."""
    if not isinstance(given, list):
        return []
    if len(given) == 1 and isinstance(given[0], list):
        return _messages(given[0])
    messages = []
    for entry in given:
        if not isinstance(entry, dict):
            return []
        role = str(entry.get("role") or entry.get("type") or "")
        if role not in _ROLES:
            continue
        message = _message(_ROLES[role], _text(entry.get("content")))
        if calls := entry.get("tool_calls"):
            message["tool_calls"] = calls
        if identifier := entry.get("tool_call_id"):
            message["tool_call_id"] = identifier
        if message["content"] or calls:
            messages.append(message)
    return messages


def _message(role: str, content: str) -> JsonObject:
    return {"role": role, "content": content}


def _text(content: JsonValue) -> str:
    """Return a content's text: itself, or that of its text parts, by lines."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [part.get("text") if isinstance(part, dict) else part for part in content]
    return "\n".join(text for text in texts if isinstance(text, str))
