"""Grades one tool call: exactly one JSON object with a tool's name and its arguments."""

from dataclasses import dataclass
from typing import Literal

from quantgate.pipelines.domain.run import Grade, Way
from quantgate.pipelines.domain.suites.call_format import CallFormat
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import JsonValue, canonical_json
from quantgate.pipelines.evaluation.graders.calls.formats import read_calls
from quantgate.pipelines.evaluation.graders.calls.read import Call, NoCall, way_of_calls
from quantgate.pipelines.evaluation.graders.calls.tool_schemas import offered_tools
from quantgate.pipelines.evaluation.graders.reading.expectations import alternatives, none_refused
from quantgate.pipelines.evaluation.graders.reading.fences import unfenced
from quantgate.pipelines.evaluation.graders.reading.grades import judged, wrong
from quantgate.pipelines.evaluation.graders.reading.strict_json import (
    Refused,
    first_difference,
    normalize,
    parse_strictly,
)
from quantgate.pipelines.evaluation.graders.reading.wording import shorten

_KEYS = ("name", "arguments")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallGrader:
    """Compares a tool call structurally: key order and layout do not count, everything else does.

    The answer must be one JSON object with the keys `name` (string) and `arguments` (object) and no
    other. Tolerated around it: whitespace and one Markdown fence, since every tool router strips
    both. Not tolerated: any prose, a second object, arguments as a string of JSON.
    `expected` is such a call, or a list of them of which any is accepted.
    `format` other than `json` reads the answer as a model family writes calls (see `formats`);
    there has to be one call in it.
    """

    format: CallFormat | Literal["auto"] = "json"

    @property
    def name(self) -> str:
        """Name and version."""
        return "tool_call@2"

    def problem(self, item: Item) -> str | None:
        """Say why the expectation can never be met, or None where it is well-formed calls."""
        accepted = accepted_calls(item.expected)
        return accepted.reason if isinstance(accepted, Refused) else None

    def grade(self, answer_text: str, item: Item) -> Grade:
        """Grade an answer; the reason names what differs first. Never raises."""
        call = (
            _read_answer(answer_text)
            if self.format == "json"
            else self._read_format(answer_text, item)
        )
        if isinstance(call, Refused):
            missing = call.reason.startswith("missing call")
            way: Way = "missing call" if missing else "unreadable call"
            return wrong(self.name, canonical=answer_text.strip(), reason=call.reason, way=way)
        accepted = accepted_calls(item.expected)
        if isinstance(accepted, Refused):
            problem: str | None = f"the expectation is unusable: {accepted.reason}"
        else:
            problem = _difference(accepted, call)
        canonical = canonical_json({"name": call.name, "arguments": call.arguments})
        return judged(
            self.name,
            problem=problem,
            canonical=canonical,
            expected="the expected call",
            way=way_of_calls(problem or ""),
        )

    def _read_format(self, text: str, item: Item) -> Call | Refused:
        read = read_calls(text, self.format, offered_tools(item.tools))
        if isinstance(read, Refused):
            return read
        if isinstance(read, NoCall):
            return Refused(reason="missing call: nothing is called")
        if len(read.calls) > 1:
            return Refused(reason=f"{len(read.calls)} calls instead of one")
        return read.calls[0]


def _read_answer(text: str) -> Call | Refused:
    parsed = parse_strictly(unfenced(text))
    return parsed if isinstance(parsed, Refused) else _as_call(parsed.value)


def accepted_calls(expected: JsonValue) -> tuple[Call, ...] | Refused:
    """Return the calls that an expectation accepts, or why it is none."""
    listed = alternatives(expected)
    if not listed:
        return Refused(reason="the list of accepted calls is empty")
    return none_refused(_as_call(normalize(entry)) for entry in listed)


def _as_call(value: JsonValue) -> Call | Refused:
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
    return Call(name=name, arguments=arguments)


def _difference(accepted: tuple[Call, ...], call: Call) -> str | None:
    """Return None where any accepted call is met, else what differs from the nearest one."""
    differences = [_call_difference(expected, call) for expected in accepted]
    if not all(differences):
        return None
    nearest = next((i for i, expected in enumerate(accepted) if expected.name == call.name), 0)
    others = f" (nearest of {len(accepted)} accepted calls)" if len(accepted) > 1 else ""
    return f"{differences[nearest]}{others}"


def _call_difference(expected: Call, call: Call) -> str | None:
    if expected.name != call.name:
        return f"wrong tool: {shorten(call.name)!r} instead of {shorten(expected.name)!r}"
    return first_difference(expected.arguments, call.arguments, "$")
