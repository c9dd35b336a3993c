"""A loop played as its script expects it, without a model: what a template and a context have to bear."""

from collections.abc import Iterator
from dataclasses import replace

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.suites.suite import Item, Suite
from quantgate.pipelines.domain.suites.thoughts import Spoken
from quantgate.pipelines.domain.suites.turns import ScriptedStep, Turn
from quantgate.pipelines.evaluation.graders.calls.read import Call
from quantgate.pipelines.evaluation.graders.calls.tool_call import accepted_calls
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.evaluation.loops.conversation import Conversation, Exchange, script_of
from quantgate.pipelines.evaluation.loops.prompts import LoopPrompts, loop_items
from quantgate.pipelines.evaluation.loops.tools import result_of

_SHOWN = 20


def rehearsed(suite: Suite, item: Item) -> Conversation:
    """Return the conversation of a model that meets every step with as few words as possible.

    Expected calls are made and answered from the tables; every other answer is empty, since what would
    meet its expectation is not known.
    """
    loop = script_of(item)
    exchanges: list[Exchange] = []
    for number, turn in enumerate(loop.turns):
        calls = list(_calls(suite, item, turn))
        for place, called in enumerate(calls, start=1):
            last = place == len(calls)
            follows = last and number + 1 < len(loop.turns)
            exchanges.append(
                Exchange(
                    answer=_answer(item, called, len(exchanges) + 1),
                    spoken=Spoken(text=""),
                    turn=number,
                    calls=called,
                    user=loop.turns[number + 1].user if follows else None,
                )
            )
    return Conversation(item=item, exchanges=tuple(exchanges), ending="end")


def rehearsal_problem(prompts: LoopPrompts, item: Item) -> str | None:
    """Say why a loop could never be played to its end with this checkpoint, or None where it could."""
    conversation = rehearsed(prompts.suite, item)
    before_end = replace(conversation, exchanges=conversation.exchanges[:-1])
    context = prompts.context_length_tokens
    step = prompts.prompt(before_end, item.id)
    if not isinstance(step, Answer):
        return None
    if step.finish_reason == "error":
        return step.text
    room = prompts.suite.decode_of(item).max_tokens
    return (
        f"its script alone takes {step.prompt_tokens:,} tokens to the end, which with {room:,} for the "
        f"last answer exceed the model's context of {context:,}"
    )


def refuse_unplayable(prompts: LoopPrompts) -> None:
    """Refuse loops that could never be played to their end with this checkpoint.

    Raises:
        InputError: naming the items.
    """
    problems = [
        f"item '{item.id}': {problem}"
        for item in loop_items(prompts.suite)
        if (problem := rehearsal_problem(prompts, item))
    ]
    if problems:
        shown = "\n  ".join(problems[:_SHOWN])
        raise InputError(
            f"{len(problems)} loops cannot be played to their end:\n  {shown}",
            where=f"suite {prompts.suite.name}",
            next_step="shorten these scripts, or lower decode.max_tokens",
        )


def rehearsed_texts(prompts: LoopPrompts) -> Iterator[tuple[str, str]]:
    """Yield (id, rendered text) of every loop played to its end, where the template takes it."""
    for item in loop_items(prompts.suite):
        messages = prompts.messages(rehearsed(prompts.suite, item))
        try:
            variables = prompts.suite.variables_of(item)
            text = prompts.chat.render(messages, ask=False, tools=item.tools, variables=variables)
        except InputError:  # told before anything is asked
            continue
        yield f"{item.id} to its end", text


def _calls(suite: Suite, item: Item, turn: Turn) -> Iterator[tuple[Call, ...]]:
    """Yield what each answer of a turn calls; the last one hands back."""
    loop = script_of(item)
    called: tuple[Call, ...] = ()
    for step in turn.steps:
        called = _expected_call(suite, item, step)
        yield called
    tools = [loop.tool(call.name) for call in called]
    if not turn.steps or (called and not any(tool and tool.ends_turn for tool in tools)):
        yield ()


def _expected_call(suite: Suite, item: Item, step: ScriptedStep) -> tuple[Call, ...]:
    spec = step.grader or suite.grader_of(item)
    calls = accepted_calls(step.expected) if spec.kind == "tool_call" else ()
    if isinstance(calls, Refused) or not script_of(item).tools:
        return ()
    return calls[:1]


def _answer(item: Item, calls: tuple[Call, ...], number: int) -> Answer:
    loop = script_of(item)
    return Answer(
        item_id=f"{item.id} {number}",
        text="",
        token_ids=(),
        finish_reason="stop",
        prompt_tokens=0,
        tool_results=tuple(result_of(loop, call) or "" for call in calls),
    )
