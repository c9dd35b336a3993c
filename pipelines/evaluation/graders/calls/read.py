"""Calls as answers spell them, and the JSON forms that one call can have."""

from dataclasses import dataclass

from quantgate.pipelines.domain.run import Way
from quantgate.pipelines.domain.values import JsonObject, JsonValue, canonical_json
from quantgate.pipelines.evaluation.graders.reading.expectations import none_refused
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused, parse_strictly
from quantgate.pipelines.evaluation.graders.reading.wording import shorten

_ARGUMENTS = ("arguments", "parameters")
_BESIDE = ("id", "type", "index")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call; numbers in `arguments` are normalized (see `strict_json.normalize`)."""

    name: str
    arguments: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Calls found in an answer, at least one, and the format they were written in."""

    calls: tuple[Call, ...]
    format: str


@dataclass(frozen=True, slots=True)
class NoCall:
    """An answer that calls nothing: plain text, or an explicit empty list of calls."""


ReadCalls = Calls | NoCall | Refused
"""`Refused` is an answer that begins as a call and is none."""


def canonical_calls(calls: tuple[Call, ...]) -> str:
    """Return one text for equal sets of calls; their order is not in it."""
    each = [canonical_json({"name": c.name, "arguments": c.arguments}) for c in calls]
    return f"[{','.join(sorted(each))}]"


def gathered(readings: list[Call | Refused], form: str) -> ReadCalls:
    """Return all calls, or the first refusal; without any there is no call."""
    calls = none_refused(readings)
    if isinstance(calls, Refused):
        return calls
    return Calls(calls=calls, format=form) if calls else NoCall()


def calls_in(text: str, form: str) -> ReadCalls:
    """Read text that is one JSON value: a call, a list of calls, or OpenAI's `tool_calls`.

    A JSON value that is nothing of the kind is a plain answer; text that is no JSON is refused.
    """
    parsed = parse_strictly(text)
    if isinstance(parsed, Refused):
        return parsed
    value = parsed.value
    if isinstance(value, dict) and "tool_calls" in value:
        value = value["tool_calls"]
        if not isinstance(value, list):
            return NoCall() if value is None else Refused(reason="'tool_calls' is not a list")
        return gathered([call_of(entry) for entry in value], form)
    several = value if isinstance(value, list) else [value]
    if not any(_resembles_call(entry) for entry in several):
        return NoCall()
    return gathered([call_of(entry) for entry in several], form)


def way_of_calls(problem: str) -> Way:
    """Return how calls are wrong that were read; graders of calls begin or end their sentences so."""
    if problem.startswith("wrong tool") or problem.endswith("was not offered"):
        return "wrong tool"
    if problem.startswith("missing call"):
        return "missing call"
    needless = problem.startswith(("extra call", "duplicate call")) or problem.endswith("may be")
    return "needless call" if needless else "wrong arguments"


def call_of(value: JsonValue) -> Call | Refused:
    """Read one parsed call: `{name, arguments}`, `{name, parameters}` or OpenAI's `{function: ...}`.

    Beside them may stand `id`, `index` and `type: function`, as servers write them, and nothing else.
    """
    if not isinstance(value, dict):
        return Refused(reason="a call is not a JSON object")
    function = value.get("function")
    if isinstance(function, dict):
        return _refused_beside(value, ("function",)) or _named(function, text_arguments=True)
    return _refused_beside(value, ("name", *_ARGUMENTS)) or _named(value, text_arguments=False)


def named_call(name: str, arguments: str) -> Call | Refused:
    """Return a call whose name stands apart and whose arguments are the text of a JSON object."""
    parsed = parse_strictly(arguments)
    if isinstance(parsed, Refused):
        return parsed
    return _named({"name": name.strip(), "arguments": parsed.value}, text_arguments=False)


def _refused_beside(value: JsonObject, allowed: tuple[str, ...]) -> Refused | None:
    for key in value:
        if key not in allowed and key not in _BESIDE:
            return Refused(reason=f"unexpected key {shorten(key)!r} in a call")
    if value.get("type", "function") != "function":
        return Refused(reason="a call's 'type' is not 'function'")
    return None


def _named(value: JsonObject, *, text_arguments: bool) -> Call | Refused:
    name = value.get("name")
    given = [key for key in _ARGUMENTS if key in value]
    if not isinstance(name, str) or not name:
        return Refused(reason="a call has no name")
    if len(given) != 1:
        return Refused(reason=f"the call of {shorten(name)!r} has {len(given)} sets of arguments")
    arguments = value[given[0]]
    if text_arguments and isinstance(arguments, str):
        parsed = parse_strictly(arguments)
        if isinstance(parsed, Refused):
            return Refused(reason=f"arguments of {shorten(name)!r}: {parsed.reason}")
        arguments = parsed.value
    if not isinstance(arguments, dict):
        return Refused(reason=f"the arguments of {shorten(name)!r} are not an object")
    return Call(name=name, arguments=arguments)


def _resembles_call(value: JsonValue) -> bool:
    if not isinstance(value, dict):
        return False
    nested = value.get("function")
    return ("name" in value and any(key in value for key in _ARGUMENTS)) or (
        isinstance(nested, dict) and "name" in nested
    )
