"""Loops are asked in waves: one batch for the first step of every item, one for the second of all that go on.

Between two waves the answers are read, tools answer the calls in them, and the next prompts are made. All of
it follows from script and answers, so a run that was interrupted makes the same prompts again and asks only
what is not answered yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.evaluation.answer_reading import AnswerReader
from quantgate.pipelines.evaluation.graders.calls.read import Call
from quantgate.pipelines.evaluation.loops.conversation import calls_of, held, script_of, spoken_of
from quantgate.pipelines.evaluation.loops.functions import (
    FunctionCall,
    ToolFunctions,
    function_call,
)
from quantgate.pipelines.evaluation.loops.grading import loop_answers
from quantgate.pipelines.evaluation.loops.prompts import LoopPrompts, loop_items
from quantgate.pipelines.evaluation.loops.rehearsal import refuse_unplayable
from quantgate.pipelines.evaluation.loops.tools import no_result, result_of
from quantgate.pipelines.evaluation.observing import ObservationRunner
from quantgate.pipelines.evaluation.prompts import SuitePrompts
from quantgate.pipelines.evaluation.sampling import item_of, sample_of, step_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """What follows a wave: the answers with what tools said to them, and the prompts of the next one."""

    answers: Mapping[str, Answer]
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loops:
    """How the loops of a suite go on, in one build."""

    prompts: LoopPrompts
    reader: AnswerReader
    functions: ToolFunctions

    def after(self, wave: Sequence[Prompt], answers: Mapping[str, Answer]) -> Wave:
        """Return what follows the wave that was just answered; `answers` are all that were given so far.

        Raises:
            InputError, ToolchainError, WorkerError: from the sandbox that runs functions.
        """
        items = {item.id: item for item in self.prompts.suite.items if item.loop is not None}
        asked = [
            (item, prompt.item_id)
            for prompt in wave
            if (item := _item_of(prompt.item_id, items)) is not None
        ]
        heard = self._with_results([(item, answers[answer_id]) for item, answer_id in asked])
        after = {**answers, **heard}
        prompts: list[Prompt] = []
        unasked: dict[str, Answer] = {}
        for item, answer_id in asked:
            step = self._next(item, sample_of(answer_id), after)
            if isinstance(step, Prompt):
                prompts.append(step)
            elif step is not None:
                unasked[step.item_id] = step
        return Wave(answers={**heard, **unasked}, prompts=tuple(prompts))

    def known_by(self, prompts: SuitePrompts) -> SuitePrompts:
        """Return the first prompts with a digest that covers how conversations go on after them."""
        return replace(prompts, digest=digest_of([prompts.digest, self.prompts.digest]))

    def _next(
        self, item: Item, sample: str, answers: Mapping[str, Answer]
    ) -> Prompt | Answer | None:
        given = loop_answers(answers, sample)
        conversation = held(item, given, self.reader)
        if conversation.ending is not None:
            return None
        return self.prompts.prompt(conversation, step_id(sample, len(given) + 1))

    def _with_results(self, answered: Sequence[tuple[Item, Answer]]) -> dict[str, Answer]:
        """Return the answers with what tools say to their calls; functions of all are run together."""
        called = [(item, answer, self._heard(item, answer)) for item, answer in answered]
        computed = self.functions.results(
            [
                function
                for item, _, calls in called
                for call in calls
                if (function := _function_call(item, call)) is not None
            ]
        )
        return {
            answer.item_id: replace(
                answer, tool_results=tuple(_result(item, call, computed) for call in calls)
            )
            for item, answer, calls in called
        }

    def _heard(self, item: Item, answer: Answer) -> tuple[Call, ...]:
        if answer.finish_reason in ("error", "context"):
            return ()
        return calls_of(item, spoken_of(answer, self.reader).text)


def loops_of(
    prompts: LoopPrompts, *, reader: AnswerReader, observation_runner: ObservationRunner
) -> Loops | None:
    """Return how the loops of a suite go on for one checkpoint; None where the suite has none.

    Raises:
        InputError: naming the loops whose script this checkpoint's template or context cannot bear.
    """
    if not loop_items(prompts.suite):
        return None
    refuse_unplayable(prompts)
    return Loops(
        prompts=prompts,
        reader=reader,
        functions=ToolFunctions(observation_runner=observation_runner),
    )


def _item_of(answer_id: str, items: Mapping[str, Item]) -> Item | None:
    """The item that an answer's id belongs to, whichever sample and step it is."""
    sample = sample_of(answer_id)
    return items.get(sample) or items.get(item_of(sample))


def _function_call(item: Item, call: Call) -> FunctionCall | None:
    """The function call that answers a call, None where a table does."""
    loop = script_of(item)
    tool = loop.tool(call.name)
    if tool is None or tool.function is None or result_of(loop, call) is not None:
        return None
    return function_call(tool.function, call.arguments)


def _result(item: Item, call: Call, computed: Mapping[FunctionCall, str | None]) -> str:
    """What a call is told; a function that has no result says what its tool says otherwise."""
    loop = script_of(item)
    tabled = result_of(loop, call)
    if tabled is not None:
        return tabled
    tool, function = loop.tool(call.name), _function_call(item, call)
    assert tool is not None and function is not None
    return computed[function] or no_result(tool, call)
