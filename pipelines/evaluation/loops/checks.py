"""What is wrong with a loop's script, as far as it can be known before a model is asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from quantgate.pipelines.domain.suites.suite import GraderKind, Item, Suite
from quantgate.pipelines.domain.suites.turns import Loop, ScriptedStep, SimulatedTool
from quantgate.pipelines.domain.values import JsonObject, JsonValue, canonical_json
from quantgate.pipelines.evaluation.graders.calls.read import Call
from quantgate.pipelines.evaluation.graders.calls.tool_call import accepted_calls
from quantgate.pipelines.evaluation.graders.calls.tool_schemas import offered_tools
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused, normalize
from quantgate.pipelines.evaluation.graders.table import grader_for
from quantgate.pipelines.evaluation.loops.conversation import ends_turn, script_of
from quantgate.pipelines.evaluation.loops.tools import fits
from quantgate.pipelines.evaluation.sampling import sample_of
from quantgate.pipelines.specs.loading import did_you_mean

_CALLING: frozenset[GraderKind] = frozenset({"tool_call"})
"""Graders whose expectation is a call, in a form that can be read here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expectation:
    """An expectation of a loop by its name (`step 2`, `the end`), with the calls that would meet it."""

    name: str
    problem: str | None
    calls: tuple[Call, ...]
    last_of_turn: bool


def loop_problems(suite: Suite, item: Item) -> tuple[str, ...]:
    """Return what is wrong with a loop, one sentence each: what can never be met, reached or answered."""
    loop = script_of(item)
    expectations = tuple(_expectations(suite, item))
    return (
        *_bad_id(item),
        *(
            f"{expectation.name}: {expectation.problem}"
            for expectation in expectations
            if expectation.problem
        ),
        *_unreachable(loop, expectations),
        *_unanswered(loop, item, expectations),
        *(text for tool in loop.tools for text in _tool_problems(tool, item)),
    )


def _bad_id(item: Item) -> Iterator[str]:
    if sample_of(item.id) != item.id:
        yield "its id ends like the id of a step (`#step2`): call it something else"


def _expectations(suite: Suite, item: Item) -> Iterator[_Expectation]:
    loop, number = script_of(item), 0
    for turn in loop.turns:
        for place, step in enumerate(turn.steps, start=1):
            number += 1
            last = place == len(turn.steps)
            yield _expectation(suite, item, step, name=f"step {number}", last_of_turn=last)
    end = ScriptedStep(expected=item.expected)
    yield _expectation(suite, item, end, name="the end", last_of_turn=True)


def _expectation(
    suite: Suite, item: Item, step: ScriptedStep, *, name: str, last_of_turn: bool
) -> _Expectation:
    spec = step.grader or suite.grader_of(item)
    problem = grader_for(spec).problem(replace(item, expected=step.expected))
    calls = accepted_calls(step.expected) if spec.kind in _CALLING else ()
    return _Expectation(
        name=name,
        problem=f"{spec.kind} cannot use `expected`: {problem}" if problem else None,
        calls=() if isinstance(calls, Refused) else calls,
        last_of_turn=last_of_turn,
    )


def _unreachable(loop: Loop, expectations: Sequence[_Expectation]) -> Iterator[str]:
    """Steps behind the most that a loop may take, or behind an answer that ends their turn."""
    fewest = sum(max(1, len(turn.steps)) for turn in loop.turns)
    if fewest > loop.max_steps:
        yield (
            f"its script takes {fewest} answers or more and max_steps is {loop.max_steps}: the end is "
            "never reached"
        )
    if not loop.tools:
        crowded = [n for n, turn in enumerate(loop.turns, start=1) if len(turn.steps) > 1]
        if crowded:
            yield (
                f"turn {crowded[0]} expects several answers, but no tool answers calls here, so the first "
                "answer ends the turn: give each step its turn, or write `tool_answers`"
            )
    for expectation in expectations[:-1]:
        ending = [call.name for call in expectation.calls if ends_turn(loop, call)]
        if ending and len(ending) == len(expectation.calls) and not expectation.last_of_turn:
            yield (
                f"{expectation.name} ends its turn ({ending[0]} has ends_turn): what follows it is "
                "never reached"
            )


def _unanswered(loop: Loop, item: Item, expectations: Sequence[_Expectation]) -> Iterator[str]:
    """Calls that are expected or possible, and that nothing answers."""
    if not loop.tools:
        return
    names = [tool.name for tool in loop.tools]
    for name in offered_tools(item.tools):
        if name not in names:
            yield f"tool '{name}' is offered and nothing answers it{did_you_mean(name, names)}"
    *steps, end = expectations
    goes_on = end.calls and not any(ends_turn(loop, call) for call in end.calls)
    if goes_on:
        yield (
            f"the end expects a call of {end.calls[0].name}, after which the loop would go on: set "
            f"tool_answers.{end.calls[0].name}.ends_turn, or make the call a step and expect what "
            "is said after it"
        )
    for expectation in steps if goes_on else expectations:
        if expectation.calls and not any(_is_answered(loop, call) for call in expectation.calls):
            call = expectation.calls[0]
            yield (
                f"{expectation.name} expects {call.name}({canonical_json(call.arguments)}) and no row of "
                "it fits: add one, or say `otherwise`"
            )


def _is_answered(loop: Loop, call: Call) -> bool:
    tool = loop.tool(call.name)
    if tool is None:
        return False
    computed = tool.function is not None or tool.otherwise is not None
    return computed or any(fits(row.arguments, call.arguments) for row in tool.rows)


def _tool_problems(tool: SimulatedTool, item: Item) -> Iterator[str]:
    offered = offered_tools(item.tools)
    if offered and tool.name not in offered:
        yield (
            f"tool_answers.{tool.name}: no such tool is offered"
            f"{did_you_mean(tool.name, tuple(offered))}"
        )
    if not tool.rows and tool.function is None and tool.otherwise is None:
        yield f"tool_answers.{tool.name} has neither rows, nor a function, nor `otherwise`"
    for number, row in enumerate(tool.rows, start=1):
        earlier = next(
            (
                n
                for n, other in enumerate(tool.rows[: number - 1], 1)
                if _covers(other.arguments, row.arguments)
            ),
            None,
        )
        if earlier is not None:
            yield f"tool_answers.{tool.name}: row {number} is never used, row {earlier} answers before it"
        yield from _strange_arguments(tool, number, row.arguments, offered.get(tool.name))


def _covers(earlier: JsonObject, later: JsonObject) -> bool:
    """Whether every call that fits the later row fits the earlier one too."""
    return fits(earlier, {name: normalize(value) for name, value in later.items()})


def _strange_arguments(
    tool: SimulatedTool, number: int, arguments: JsonObject, parameters: JsonObject | None
) -> Iterator[str]:
    properties: JsonValue = parameters.get("properties") if parameters else None
    if not isinstance(properties, dict) or not properties:
        return
    for name in arguments:
        if name not in properties:
            yield (
                f"tool_answers.{tool.name}: row {number} has an argument '{name}' that the tool does not "
                f"take{did_you_mean(name, tuple(properties))}"
            )
