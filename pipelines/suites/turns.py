"""What a team writes of a loop: turns of a user, steps expected of the model, tools and what they answer."""

import ast
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self, cast

from pydantic import Field, JsonValue, model_validator

from quantgate.pipelines.domain.suites.call_format import AnyCallFormat
from quantgate.pipelines.domain.suites.suite import Item, Message
from quantgate.pipelines.domain.suites.turns import (
    DEFAULT_STEPS,
    MOST_STEPS,
    Loop,
    ResultRow,
    ScriptedStep,
    SimulatedTool,
    ToolFunction,
    Turn,
)
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.domain.values import JsonValue as Expected
from quantgate.pipelines.specs.loading import Spec, did_you_mean
from quantgate.pipelines.suites.graders.files import AnyGraderFile

_MOST_SOURCE_BYTES = 64 * 1024
_FUNCTION = r"^[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*$"


class StepFile(Spec):
    """What one answer of a turn has to meet."""

    expected: JsonValue
    """What its grader compares the answer with."""
    grader: AnyGraderFile | None = None
    """What judges it, where not the item's (or the suite's) grader does."""
    required: bool = False
    """Whether the item is wrong where this step was never met, however it ends."""


class TurnFile(Spec):
    """What the user says, and the steps expected until the model hands back."""

    user: str | None = Field(default=None, min_length=1)
    """The user's message; the first turn may leave it to `prompt` or `messages`."""
    steps: tuple[StepFile, ...] = ()
    """Expected answers in their order; an answer is held against the first that is not met yet."""


class ResultFile(Spec):
    """A row of a tool's table."""

    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """Arguments that a call must have with these very values; others may stand beside them."""
    result: JsonValue
    """What the tool says: text as it stands, anything else as JSON."""


class ToolAnswersFile(Spec):
    """What a tool answers: the first row that fits the call, else the function, else `otherwise`."""

    rows: tuple[ResultFile, ...] = ()
    """The table."""
    function: str | None = Field(default=None, pattern=_FUNCTION)
    """A pure Python function of the suite's folder, `file.py:name`; it runs in the code sandbox."""
    otherwise: JsonValue = None
    """What it says to any other call; an error message that names the arguments without it."""
    ends_turn: bool = False
    """Whether a call to it ends the turn: after its result the user speaks next, or nobody."""


class LoopsFile(Spec):
    """What the suite's loops share."""

    tool_answers: dict[str, ToolAnswersFile] = Field(default_factory=dict)
    """What tools answer, by name; an item's own `tool_answers` go before these."""
    unknown_tool: JsonValue = None
    """What a call to a tool that answers nothing gets; an error message that names it without this."""
    max_steps: int = Field(default=DEFAULT_STEPS, ge=1, le=MOST_STEPS)
    """The most answers that a loop may take to its end."""
    call_format: AnyCallFormat = "auto"
    """How answers write calls; `auto` goes by the answer."""
    results_as: Literal["auto", "tool", "user"] = "auto"
    """Role of the messages with tools' results; `auto` goes by what the chat template renders."""


class ScriptFile(Spec):
    """The keys of an item that make it a loop."""

    turns: tuple[TurnFile, ...] = ()
    """A conversation in several steps: the model's own answers are put back into it."""
    tool_answers: dict[str, ToolAnswersFile] = Field(default_factory=dict)
    """What tools answer in this conversation, by name."""
    max_steps: int | None = Field(default=None, ge=1, le=MOST_STEPS)
    """The most answers it may take to its end; the suite's `loops.max_steps` without it."""

    @property
    def opens_itself(self) -> bool:
        """Whether the first turn says what else `prompt` or the last of `messages` would."""
        return bool(self.turns) and self.turns[0].user is not None

    @model_validator(mode="after")
    def _is_a_script(self) -> Self:
        if not self.turns and (self.tool_answers or self.max_steps is not None):
            raise ValueError("tool_answers and max_steps belong to an item with turns")
        silent = [n for n, turn in enumerate(self.turns, start=1) if n > 1 and turn.user is None]
        if silent:
            raise ValueError(f"turn {silent[0]} needs `user`: what is said to the model then")
        return self


class FunctionError(ValueError):
    """A tool's function that cannot be used; the message is what to tell of it."""


def with_loop(item: Item, script: ScriptFile, shared: LoopsFile, folder: Path) -> Item:
    """Return the item with the loop that it scripts, and with what its first turn says as its last message.

    Of the suite's tools it gets those that it offers (all, where it offers none but in words).

    Raises:
        FunctionError: where a tool's function cannot be used.
    """
    if not script.turns:
        return item
    offered = offered_names(item.tools)
    common = {k: v for k, v in shared.tool_answers.items() if not offered or k in offered}
    answers = {**common, **script.tool_answers}
    loop = Loop(
        turns=tuple(_turn(turn, first=n == 0) for n, turn in enumerate(script.turns)),
        tools=tuple(_tool(name, answer, folder) for name, answer in answers.items()),
        unknown_tool=_text(shared.unknown_tool),
        max_steps=script.max_steps or shared.max_steps,
        call_format=shared.call_format,
        results_as=shared.results_as,
    )
    first = script.turns[0].user
    opening = (Message(role="user", content=first),) if first is not None else ()
    return replace(item, messages=(*item.messages, *opening), loop=loop)


def offered_names(tools: Sequence[JsonObject]) -> frozenset[str]:
    """Return the names of the functions that an item offers, wrapped as OpenAI's API has them or not."""
    definitions = [tool.get("function", tool) for tool in tools]
    names = (definition.get("name") for definition in definitions if isinstance(definition, dict))
    return frozenset(name for name in names if isinstance(name, str))


def _turn(file: TurnFile, *, first: bool) -> Turn:
    return Turn(
        user=None if first else file.user,
        steps=tuple(
            ScriptedStep(
                expected=cast("Expected", step.expected),
                grader=step.grader.spec() if step.grader else None,
                required=step.required,
            )
            for step in file.steps
        ),
    )


def _tool(name: str, file: ToolAnswersFile, folder: Path) -> SimulatedTool:
    return SimulatedTool(
        name=name,
        rows=tuple(
            ResultRow(
                arguments=cast("JsonObject", row.arguments), result=_text(row.result) or "null"
            )
            for row in file.rows
        ),
        function=_function(file.function, folder) if file.function else None,
        otherwise=_text(file.otherwise),
        ends_turn=file.ends_turn,
    )


def _text(value: JsonValue) -> str | None:
    """What a tool says, as the text that production hands to the model: JSON as `json.dumps` writes it."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _function(place: str, folder: Path) -> ToolFunction:
    file, _, name = place.rpartition(":")
    source = _source(file, folder)
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FunctionError(f"'{file}' is no Python: {' '.join(str(error).split())}") from error
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if name not in defined:
        raise FunctionError(f"'{file}' defines no function '{name}'{did_you_mean(name, defined)}")
    return ToolFunction(file=file, name=name, source=source)


def _source(file: str, folder: Path) -> str:
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise FunctionError(f"'{file}' lies outside the suite's folder")
    if not path.is_file():
        raise FunctionError(f"there is no file '{file}' in the suite's folder")
    if path.stat().st_size > _MOST_SOURCE_BYTES:
        raise FunctionError(f"'{file}' is larger than {_MOST_SOURCE_BYTES // 1024} KiB")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FunctionError(f"'{file}' cannot be read as UTF-8 text") from error
