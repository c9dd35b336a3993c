"""An item in several steps: what users and tools say, and what the model has to say between.

A *step* is one answer of the model. A *turn* is what a user says and all steps until the model hands back:
an answer that calls a tool is followed by the tool's result and another step of the same turn, an answer
that calls nothing ends the turn.
"""

from dataclasses import dataclass
from typing import Literal

from quantgate.pipelines.domain.suites.call_format import AnyCallFormat
from quantgate.pipelines.domain.suites.grader import GraderSpec
from quantgate.pipelines.domain.values import JsonObject, JsonValue

MOST_STEPS = 50
"""The longest loop that a suite may script."""
DEFAULT_STEPS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedStep:
    """What one answer of a turn has to meet; its grader is the item's where it is None.

    A `required` one has to be met for the item to be right; the others only count for its score.
    """

    expected: JsonValue
    grader: GraderSpec | None = None
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a user says (None in the first turn: the item's messages say it), and the steps expected then."""

    user: str | None = None
    steps: tuple[ScriptedStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """What a tool says to a call whose arguments hold these ones; what else is in the call does not count."""

    arguments: JsonObject
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFunction:
    """A function of the suite that computes results; its whole file is in the item, and so in its digest."""

    file: str
    name: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedTool:
    """A tool that answers from a table, else by a function, else with `otherwise`.

    A call to a tool that `ends_turn` is the last step of its turn.
    """

    name: str
    rows: tuple[ResultRow, ...] = ()
    function: ToolFunction | None = None
    otherwise: str | None = None
    ends_turn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """The script of a conversation: at least one turn, the tools that answer, and the most steps it may take.

    Without `tools` every answer hands back to the user. `unknown_tool` is what a call to any other tool
    gets. `call_format` is how answers write calls. `results_as` is the role of tools' results; `auto` goes
    by what the chat template renders.
    """

    turns: tuple[Turn, ...]
    tools: tuple[SimulatedTool, ...] = ()
    unknown_tool: str | None = None
    max_steps: int = DEFAULT_STEPS
    call_format: AnyCallFormat = "auto"
    results_as: Literal["auto", "tool", "user"] = "auto"

    def tool(self, name: str) -> SimulatedTool | None:
        """Return the tool of a name, None where none is simulated."""
        return next((tool for tool in self.tools if tool.name == name), None)
