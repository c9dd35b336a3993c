"""A loop as it was held: its answers, what they called, what was said to them, and how it ended.

Everything here follows from the script and the raw answers alone, never from grades: a conversation goes on
in the same way whatever its answers are worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.suites.thoughts import Spoken
from quantgate.pipelines.domain.suites.turns import Loop
from quantgate.pipelines.evaluation.answer_reading import AnswerReader
from quantgate.pipelines.evaluation.graders.calls.formats import read_calls
from quantgate.pipelines.evaluation.graders.calls.read import Call, Calls
from quantgate.pipelines.evaluation.graders.calls.tool_schemas import offered_tools

Ending = Literal["end", "steps", "context", "error"]
"""`end`: the script was played to its end. `steps`: it was not, within the most steps allowed. `context`:
the next step no longer fitted the model's context. `error`: the runtime gave no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One answer in turn number `turn` (from 0), the calls in it, and what the user said to it (or None).

    `spoken` is the answer taken apart: calls are read in what it says, never in its thoughts.
    """

    answer: Answer
    spoken: Spoken
    turn: int
    calls: tuple[Call, ...]
    user: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A loop as far as it was held; `ending` is None while it goes on."""

    item: Item
    exchanges: tuple[Exchange, ...]
    ending: Ending | None


def script_of(item: Item) -> Loop:
    """Return the script of an item that has one."""
    assert item.loop is not None
    return item.loop


def held(item: Item, answers: Sequence[Answer], reader: AnswerReader) -> Conversation:
    """Return the conversation that these answers make, in their order; what follows its end is left out."""
    loop = script_of(item)
    exchanges: list[Exchange] = []
    turn = 0
    for number, answer in enumerate(answers, start=1):
        spoken = spoken_of(answer, reader)
        if answer.finish_reason in ("error", "context"):
            exchanges.append(Exchange(answer=answer, spoken=spoken, turn=turn, calls=(), user=None))
            ending: Ending = "context" if answer.finish_reason == "context" else "error"
            return Conversation(item=item, exchanges=tuple(exchanges), ending=ending)
        calls = calls_of(item, spoken.text)
        hands_back = not calls or any(ends_turn(loop, call) for call in calls)
        follows = hands_back and turn + 1 < len(loop.turns) and number < loop.max_steps
        user = loop.turns[turn + 1].user if follows else None
        exchanges.append(Exchange(answer=answer, spoken=spoken, turn=turn, calls=calls, user=user))
        if hands_back and turn + 1 == len(loop.turns):
            return Conversation(item=item, exchanges=tuple(exchanges), ending="end")
        if number == loop.max_steps:
            return Conversation(item=item, exchanges=tuple(exchanges), ending="steps")
        turn += hands_back
    return Conversation(item=item, exchanges=tuple(exchanges), ending=None)


def spoken_of(answer: Answer, reader: AnswerReader) -> Spoken:
    """Return an answer taken apart, whether it has thoughts or not."""
    return reader.read(answer) or Spoken(text=answer.text)


def calls_of(item: Item, text: str) -> tuple[Call, ...]:
    """Return the calls of an answer, in their order; none where no tool of the loop answers calls.

    An answer that begins as a call and breaks the rules of its format calls nothing: a server that cannot
    parse a call hands it on as text.
    """
    loop = script_of(item)
    if not loop.tools:
        return ()
    read = read_calls(text, loop.call_format, offered_tools(item.tools))
    return read.calls if isinstance(read, Calls) else ()


def ends_turn(loop: Loop, call: Call) -> bool:
    """Whether a turn ends with this call, whatever it answers."""
    tool = loop.tool(call.name)
    return tool is not None and tool.ends_turn
