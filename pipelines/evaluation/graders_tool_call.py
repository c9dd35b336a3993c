"""Grades one tool call: exactly one JSON object with a tool's name and its arguments."""

import re
from dataclasses import dataclass

from pipelines.domain.run import Grade
from pipelines.domain.values import JsonObject, JsonValue, canonical_json
from pipelines.evaluation.graders_json import Refused, first_difference, normalize, parse_strictly
from pipelines.evaluation.graders_text import shorten, storable

_FENCE = re.compile(r"\A```(?:json)?[ \t]*\r?\n(?P<body>.*?)\r?\n?```\Z", re.DOTALL)
_KEYS = ("name", "arguments")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    name: str
    arguments: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallGrader:
    """Compares a tool call structurally: key order and layout do not count, everything else does.

    The answer must be one JSON object with the keys `name` (string) and `arguments` (object) and no
    other. Tolerated around it: whitespace and one Markdown fence, since every tool router strips
    both. Not tolerated: any prose, a second object, arguments as a string of JSON.
    `expected` is such a call, or a list of them of which any is accepted.
    """

    name: str = "tool_call@1"

    def grade(self, answer_text: str, expected: JsonValue) -> Grade:
        """Grade an answer; the reason names what differs first. Never raises."""
        found = _read_answer(answer_text)
        if isinstance(found, Refused):
            return self._wrong(found.reason, canonical=answer_text.strip())
        canonical = canonical_json({"name": found.name, "arguments": found.arguments})
        accepted = _accepted_calls(expected)
        if isinstance(accepted, Refused):
            return self._wrong(f"the expectation is unusable: {accepted.reason}", canonical)
        difference = _difference(accepted, found)
        if difference:
            return self._wrong(difference, canonical)
        return Grade(
            correct=True,
            reason="the expected call",
            canonical=storable(canonical),
            grader=self.name,
        )

    def _wrong(self, reason: str, canonical: str) -> Grade:
        return Grade(
            correct=False,
            reason=storable(reason),
            canonical=storable(canonical),
            grader=self.name,
        )


def tool_call_expectation_problem(expected: JsonValue) -> str | None:
    """Say why `expected` can never be met, or None where it is one or several well-formed calls."""
    accepted = _accepted_calls(expected)
    return accepted.reason if isinstance(accepted, Refused) else None


def _read_answer(text: str) -> _Call | Refused:
    stripped = text.strip()
    fenced = _FENCE.match(stripped)
    parsed = parse_strictly(fenced["body"] if fenced else stripped)
    return parsed if isinstance(parsed, Refused) else _as_call(parsed.value)


def _accepted_calls(expected: JsonValue) -> tuple[_Call, ...] | Refused:
    wanted = expected if isinstance(expected, list | tuple) else [expected]
    if not wanted:
        return Refused(reason="the list of accepted calls is empty")
    calls = []
    for one in wanted:
        call = _as_call(normalize(one))
        if isinstance(call, Refused):
            return call
        calls.append(call)
    return tuple(calls)


def _as_call(value: JsonValue) -> _Call | Refused:
    if not isinstance(value, dict):
        return Refused(reason="not a JSON object")
    for key in _KEYS:
        if key not in value:
            return Refused(reason=f"the object has no {key!r}")
    for key in value:
        if key not in _KEYS:
            return Refused(reason=f"unexpected key {shorten(key)!r} beside 'name' and 'arguments'")
    name, arguments = value["name"], value["arguments"]
    if not isinstance(name, str):
        return Refused(reason="'name' is not a string")
    if not isinstance(arguments, dict):
        return Refused(reason="'arguments' is not an object")
    return _Call(name=name, arguments=arguments)


def _difference(accepted: tuple[_Call, ...], found: _Call) -> str | None:
    """Return None where any accepted call is met, else what differs from the nearest one."""
    differences = [_call_difference(call, found) for call in accepted]
    if not all(differences):
        return None
    nearest = next((i for i, call in enumerate(accepted) if call.name == found.name), 0)
    others = f" (nearest of {len(accepted)} accepted calls)" if len(accepted) > 1 else ""
    return f"{differences[nearest]}{others}"


def _call_difference(expected: _Call, found: _Call) -> str | None:
    if expected.name != found.name:
        return f"wrong tool: {shorten(found.name)!r} instead of {shorten(expected.name)!r}"
    return first_difference(expected.arguments, found.arguments, "$")
