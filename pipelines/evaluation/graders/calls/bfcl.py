"""Grades calls against BFCL's answer format: allowed values, optional arguments, calls in any order."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from quantgate.pipelines.domain.run import Facet, Grade
from quantgate.pipelines.domain.suites.call_format import CallFormat
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.graders.calls.bfcl_values import (
    Arguments,
    StringRule,
    judge_arguments,
)
from quantgate.pipelines.evaluation.graders.calls.formats import read_calls
from quantgate.pipelines.evaluation.graders.calls.read import (
    Call,
    NoCall,
    canonical_calls,
    way_of_calls,
)
from quantgate.pipelines.evaluation.graders.calls.tool_schemas import offered_tools
from quantgate.pipelines.evaluation.graders.reading.grades import in_way, right, wrong
from quantgate.pipelines.evaluation.graders.reading.matching import MOST, best_pairs
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused, normalize
from quantgate.pipelines.evaluation.graders.reading.wording import shorten

_FULL_MATCH = 1000.0
"""Weighs more than all partial matches of a pairing together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paired:
    """An expected call beside the answered one (its column) that fits best; None where none has its name."""

    expected: Call
    column: int | None
    arguments: Arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class BfclGrader:
    """Compares calls as BFCL does, in the format that the model's family emits.

    `expected` is BFCL's list of `{tool: {argument: [allowed values]}}`: all of these calls have to be
    made, in any order, and no other. An empty list says that no tool may be called: any plain answer is
    right, an empty one is not. `strings: exact` compares texts letter by letter instead of by BFCL's
    rule; `underscores` takes `math_factorial` for the tool `math.factorial`, for servers that rename.
    """

    format: CallFormat | Literal["auto"] = "auto"
    strings: StringRule = "bfcl"
    underscores: bool = False

    @property
    def name(self) -> str:
        """Name and version."""
        return "bfcl@2"

    def problem(self, item: Item) -> str | None:
        """Say why no answer could be right, or None where one could."""
        expected = _expected_calls(item.expected)
        if isinstance(expected, Refused):
            return expected.reason
        offered = offered_tools(item.tools)
        for call in expected if offered else ():
            if call.name not in offered:
                return f"the expected tool {shorten(call.name)!r} is not among the item's tools"
        return None

    def grade(self, answer_text: str, item: Item) -> Grade:
        """Grade an answer; the reason names what differs first. Never raises."""
        offered = offered_tools(item.tools)
        expected = _expected_calls(item.expected)
        read = read_calls(answer_text, self.format, offered)
        if isinstance(expected, Refused):
            reason = f"the expectation is unusable: {expected.reason}"
            return wrong(self.name, canonical=answer_text.strip(), reason=reason)
        if isinstance(read, Refused):
            facets = _facets(0.0, 0.0, 0.0 if expected else None)
            reason = f"the call cannot be read: {read.reason}"
            grade = wrong(self.name, canonical=answer_text.strip(), reason=reason, facets=facets)
            return in_way(grade, "unreadable call")
        if isinstance(read, NoCall):
            return self._without_call(answer_text, expected)
        calls = tuple(self._renamed(call, offered) for call in read.calls)
        return self._compared(calls, expected, offered)

    def _without_call(self, answer_text: str, expected: tuple[Call, ...]) -> Grade:
        silent = not answer_text.strip()
        if expected or silent:
            facets = _facets(0.0, 0.0, 0.0 if expected else None)
            reason = "the answer is empty" if silent else "missing call: nothing is called"
            canonical = "" if silent else "[]"
            grade = wrong(self.name, canonical=canonical, reason=reason, facets=facets)
            return in_way(grade, "missing call")
        facets = _facets(1.0, 1.0, None)
        return right(self.name, canonical="[]", reason="no call, as expected", facets=facets)

    def _renamed(self, call: Call, offered: dict[str, JsonObject]) -> Call:
        if not self.underscores or call.name in offered:
            return call
        dotted = [name for name in offered if name.replace(".", "_") == call.name]
        return Call(name=dotted[0], arguments=call.arguments) if len(dotted) == 1 else call

    def _compared(
        self, calls: tuple[Call, ...], expected: tuple[Call, ...], offered: dict[str, JsonObject]
    ) -> Grade:
        paired = self._paired(calls[:MOST], expected, offered)
        most = max(len(calls), len(expected))
        matched = sum(pair.column is not None and not pair.arguments.problem for pair in paired)
        named = Counter(c.name for c in calls) & Counter(c.name for c in expected)
        total = sum(pair.arguments.total for pair in paired)
        share = sum(pair.arguments.right for pair in paired) / total if total else 1.0
        facets = _facets(named.total() / most, matched / most, share if expected else None)
        canonical = canonical_calls(calls)
        if problem := _problem(calls, paired, offered):
            grade = wrong(self.name, canonical=canonical, reason=problem, facets=facets)
            return in_way(grade, way_of_calls(problem))
        reason = "the expected call" if len(expected) == 1 else "the expected calls"
        return right(self.name, canonical=canonical, reason=reason, facets=facets)

    def _paired(
        self, calls: tuple[Call, ...], expected: tuple[Call, ...], offered: dict[str, JsonObject]
    ) -> list[_Paired]:
        """Pair every expected call with the found one that fits, over all pairings and not one by one."""
        judged = [
            [
                judge_arguments(
                    call.arguments,
                    expected_call.arguments,
                    offered.get(expected_call.name),
                    self.strings,
                )
                if call.name == expected_call.name
                else None
                for call in calls
            ]
            for expected_call in expected
        ]
        pairs = best_pairs([[_weight(arguments) for arguments in row] for row in judged])
        nothing = [
            Arguments(right=0, total=len(expected_call.arguments), problem="")
            for expected_call in expected
        ]
        matched = [
            (row[column] if column is not None else None)
            for row, column in zip(judged, pairs, strict=True)
        ]
        return [
            _Paired(
                expected=expected_call,
                column=column if arguments else None,
                arguments=arguments or empty,
            )
            for expected_call, column, arguments, empty in zip(
                expected, pairs, matched, nothing, strict=True
            )
        ]


def _weight(arguments: Arguments | None) -> float:
    if arguments is None:
        return 0.0
    if arguments.problem is None:
        return _FULL_MATCH
    return 1.0 + arguments.right / max(1, arguments.total)


def _problem(
    calls: tuple[Call, ...], paired: list[_Paired], offered: dict[str, JsonObject]
) -> str | None:
    """Say what is wrong first: an invented tool, a wrong one, arguments, a missing call, one too many."""
    taken = {pair.column for pair in paired if pair.column is not None}
    left = [call for at, call in enumerate(calls) if at not in taken]
    unmet = [pair.expected for pair in paired if pair.column is None]
    invented = next((call for call in left if offered and call.name not in offered), None)
    if invented:
        return f"the tool {shorten(invented.name)!r} was not offered"
    if unmet and left:
        return f"wrong tool: {shorten(left[0].name)!r} instead of {shorten(unmet[0].name)!r}"
    for pair in paired:
        if pair.arguments.problem:
            several = f" of {shorten(pair.expected.name)!r}" if len(paired) > 1 else ""
            return f"{pair.arguments.problem}{several}"
    if unmet:
        return f"missing call of {shorten(unmet[0].name)!r}"
    if left and not paired:
        return f"{shorten(left[0].name)!r} is called where no tool may be"
    if left:
        twice = any(left[0] == call for at, call in enumerate(calls) if at in taken)
        return f"{'duplicate' if twice else 'extra'} call of {shorten(left[0].name)!r}"
    return None


def _facets(tool: float, calls: float, arguments: float | None) -> tuple[Facet, ...]:
    facets = [Facet(name="tool", score=tool), Facet(name="calls", score=calls)]
    if arguments is not None:
        facets.append(Facet(name="arguments", score=arguments))
    return tuple(facets)


def _expected_calls(expected: JsonValue) -> tuple[Call, ...] | Refused:
    """Read BFCL's list; each call's `arguments` are then lists of allowed values."""
    if not isinstance(expected, list | tuple):
        return Refused(reason="it is not a list of {tool: {argument: [allowed values]}}")
    if len(expected) > MOST:
        return Refused(reason=f"it has more than {MOST} calls")
    calls: list[Call] = []
    for entry in expected:
        if not isinstance(entry, dict) or len(entry) != 1:
            return Refused(reason="a call is not one {tool: {argument: [allowed values]}}")
        [(name, arguments)] = entry.items()
        allowed = normalize(arguments)
        if not isinstance(allowed, dict):
            return Refused(reason=f"the arguments of {shorten(name)!r} are not an object")
        calls.append(Call(name=name, arguments=allowed))
    return tuple(calls)
