"""Grading a loop: each answer against the scripted step that is open, and the last one against the end.

An answer is held against the first step of its turn that is not met yet; one that meets it opens the next.
So a detour (a wrong call, put right after the tool's error) costs steps and no grade. A loop is right where
its end is: the script was played to its end, the last answer meets what the item expects, and no required
step was missed. Its score are the steps that were met, the end being one, over all of them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.run import Answer, Grade, GradedAnswer, GradedStep, Way
from quantgate.pipelines.domain.suites.grader import GraderSpec
from quantgate.pipelines.domain.suites.suite import Item, Suite
from quantgate.pipelines.domain.suites.thoughts import Spoken
from quantgate.pipelines.domain.suites.turns import Loop, ScriptedStep
from quantgate.pipelines.domain.values import JsonValue, canonical_json
from quantgate.pipelines.evaluation.answer_reading import AnswerReader
from quantgate.pipelines.evaluation.graders.reading.fences import without_end_tokens
from quantgate.pipelines.evaluation.graders.reading.grades import wrong
from quantgate.pipelines.evaluation.graders.reading.wording import storable
from quantgate.pipelines.evaluation.graders.table import grade_answer, grader_for
from quantgate.pipelines.evaluation.loops.conversation import (
    Conversation,
    Ending,
    Exchange,
    held,
    script_of,
    spoken_of,
)
from quantgate.pipelines.evaluation.loops.history import HistoryForm, messages_of
from quantgate.pipelines.evaluation.sampling import sample_of, step_id

_SHOWN = HistoryForm(calls="text", results="tool")
"""Graders that read the question see the conversation so far in this form, whatever the template takes."""

_WAYS: Mapping[Ending, Way] = {"steps": "no end", "context": "truncated"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GradingTask:
    """One answer to be held against one expectation; `id` is unique in a run, whatever the grader."""

    id: str
    grader: GraderSpec
    answer: Answer
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class _StepPlace:
    """A scripted step: its number among all of the item's, from 1, and its turn, from 0."""

    number: int
    turn: int
    step: ScriptedStep

    def __str__(self) -> str:
        return f"step {self.number} (turn {self.turn + 1})"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Played:
    """Graded answers, the numbers of scripted steps that were met, and the first try at each."""

    steps: tuple[GradedStep, ...]
    met: frozenset[int]
    tries: Mapping[int, Grade]


def loop_answers(answers: Mapping[str, Answer], sample: str) -> tuple[Answer, ...]:
    """Return the answers of one sample of a loop, in order of its steps."""
    steps: list[Answer] = []
    while (answer := answers.get(step_id(sample, len(steps) + 1))) is not None:
        steps.append(answer)
    return tuple(steps)


def loop_grading_tasks(
    suite: Suite, item: Item, answers: Sequence[Answer], reader: AnswerReader
) -> Iterator[GradingTask]:
    """Yield everything that grading may ask of these answers, for graders that have to observe it first."""
    conversation = held(item, answers, reader)
    for exchange, places in _candidates(conversation):
        for place in places:
            yield _step_task(suite, conversation, exchange, place)
    if conversation.ending == "end":
        yield _end_task(suite, conversation)


def grade_loop(
    suite: Suite,
    item: Item,
    answers: Sequence[Answer],
    *,
    reader: AnswerReader,
    observed: Mapping[str, JsonValue],
) -> GradedAnswer:
    """Return the grade of one sample of a loop; `observed` are observations by task id.

    Raises:
        WorkerError: where the conversation has no end: an answer is missing.
    """
    conversation = held(item, answers, reader)
    if conversation.ending is None:
        raise WorkerError(
            f"the transcript has no answer to step {len(answers) + 1} of '{item.id}'",
            where=suite.name,
        )

    def grade(task: GradingTask) -> Grade:
        grader, seen = grader_for(task.grader, suite.thoughts), observed.get(task.id)
        spoken = spoken_of(task.answer, reader)
        return grade_answer(grader, task.answer, task.item, seen, None, spoken).grade

    played = _play(suite, conversation, grade)
    if conversation.ending == "end":
        end = grade(_end_task(suite, conversation))
    else:
        end = wrong(
            grader_for(suite.grader_of(item)).name,
            canonical=conversation.exchanges[-1].answer.text.strip(),
            reason=_cut_short(conversation, conversation.ending),
            way=_WAYS.get(conversation.ending, "runtime error"),
        )
    whole = _whole(conversation)
    return GradedAnswer(
        answer=whole,
        grade=_together(conversation, played, end),
        spoken=_thoughts(conversation, whole.text),
        steps=played.steps,
    )


def _play(
    suite: Suite, conversation: Conversation, grade: Callable[[GradingTask], Grade]
) -> _Played:
    """Hold every answer against the step of its turn that is open."""
    steps: list[GradedStep] = []
    met: set[int] = set()
    tries: dict[int, Grade] = {}
    for exchange, places in _candidates(conversation):
        place = next((place for place in places if place.number not in met), None)
        given = grade(_step_task(suite, conversation, exchange, place)) if place else None
        if place and given:
            tries.setdefault(place.number, given)
            met |= {place.number} if given.correct else set()
        steps.append(GradedStep(answer=exchange.answer, user=exchange.user, grade=given))
    return _Played(steps=tuple(steps), met=frozenset(met), tries=tries)


def _candidates(conversation: Conversation) -> Iterator[tuple[Exchange, list[_StepPlace]]]:
    """Yield every answer with the steps that may be open when it is given."""
    before: Counter[int] = Counter()
    places = _places(script_of(conversation.item))
    for exchange in conversation.exchanges:
        before[exchange.turn] += 1
        answered = exchange.answer.finish_reason in ("stop", "length")
        turn_places = [place for place in places if place.turn == exchange.turn]
        yield exchange, turn_places[: before[exchange.turn]] if answered else []


def _places(loop: Loop) -> tuple[_StepPlace, ...]:
    every = [(turn, step) for turn, script in enumerate(loop.turns) for step in script.steps]
    return tuple(
        _StepPlace(number=number, turn=turn, step=step)
        for number, (turn, step) in enumerate(every, start=1)
    )


def _step_task(
    suite: Suite, conversation: Conversation, exchange: Exchange, place: _StepPlace
) -> GradingTask:
    item, answer = conversation.item, exchange.answer
    return GradingTask(
        id=f"{answer.item_id}>{place.number}",
        grader=place.step.grader or suite.grader_of(item),
        answer=answer,
        item=_asked(conversation, exchange, place.step.expected),
    )


def _end_task(suite: Suite, conversation: Conversation) -> GradingTask:
    item, last = conversation.item, conversation.exchanges[-1]
    return GradingTask(
        id=f"{last.answer.item_id}>end",
        grader=suite.grader_of(item),
        answer=last.answer,
        item=_asked(conversation, last, item.expected),
    )


def _asked(conversation: Conversation, exchange: Exchange, expected: JsonValue) -> Item:
    """Return the question that one answer was given to: the conversation before it."""
    place = conversation.exchanges.index(exchange)
    before = replace(conversation, exchanges=conversation.exchanges[:place])
    item = conversation.item
    return replace(item, messages=messages_of(before, _SHOWN), expected=expected, loop=None)


def _cut_short(conversation: Conversation, ending: Ending) -> str:
    number, last = len(conversation.exchanges), conversation.exchanges[-1].answer
    if ending == "steps":
        return f"no end after {number} answers, the most it may take"
    if ending == "context":
        tokens = last.prompt_tokens
        return f"answer {number} has no room in the model's context: the conversation is {tokens} tokens"
    if last.text:
        return f"answer {number} could not be asked for: {last.text}"
    return f"the runtime reported an error instead of answer {number}"


def _together(conversation: Conversation, played: _Played, end: Grade) -> Grade:
    places = _places(script_of(conversation.item))
    missed = [place for place in places if place.number not in played.met]
    required = next((place for place in missed if place.step.required), None)
    correct = end.correct and required is None
    reached, steps = len(played.met) + end.correct, len(places) + 1
    first = required if end.correct and required else next(iter(missed), None)
    parts = [f"{reached} of {steps} steps reached"]
    if first is not None:
        kind = "required " if first.step.required else ""
        parts.append(f"{kind}{first} was missed: {_why(first, played)}")
    parts.append(f"the end: {end.reason}")
    spoilt = played.tries.get(required.number) if required and end.correct else None
    return replace(
        end,
        correct=correct,
        way=None if correct else end.way or (spoilt.way if spoilt else None) or "missed step",
        score=reached / steps,
        reason=storable("; ".join(parts)),
        canonical=storable(_canonical(conversation, played, end)),
    )


def _why(place: _StepPlace, played: _Played) -> str:
    tried = played.tries.get(place.number)
    return tried.reason if tried else "the turn ended before it"


def _canonical(conversation: Conversation, played: _Played, end: Grade) -> str:
    """Equal conversations are equal: every answer in its canonical form, where a grader gave it one."""
    before = [
        step.grade.canonical if step.grade else without_end_tokens(exchange.spoken.text)
        for step, exchange in zip(played.steps[:-1], conversation.exchanges, strict=False)
    ]
    return canonical_json([*before, end.canonical])


def _whole(conversation: Conversation) -> Answer:
    """Return the conversation as one answer: all that was said after the question, and all tokens."""
    answers = [exchange.answer for exchange in conversation.exchanges]
    ends = [answer.finish_reason for answer in answers if answer.finish_reason != "stop"]
    counted = any(answer.generated_tokens is not None for answer in answers)
    return Answer(
        item_id=sample_of(answers[0].item_id),
        text="\n".join(line for exchange in conversation.exchanges for line in _lines(exchange)),
        token_ids=tuple(token for answer in answers for token in answer.token_ids),
        finish_reason=ends[0] if ends else "stop",
        prompt_tokens=answers[-1].prompt_tokens,
        generated_tokens=sum(answer.length_tokens for answer in answers) if counted else None,
    )


def _thoughts(conversation: Conversation, said: str) -> Spoken | None:
    """Return the conversation taken apart, where any answer of it has thoughts; they are counted together."""
    parts = [exchange.spoken for exchange in conversation.exchanges]
    if not any(part.thoughts for part in parts):
        return None
    return Spoken(
        text=said,
        thoughts="\n".join(part.thoughts for part in parts if part.thoughts),
        thought_tokens=sum(part.thought_tokens or 0 for part in parts),
    )


def _lines(exchange: Exchange) -> Iterator[str]:
    """Yield what the model, the tools and the user said in one exchange, as people are to read it."""
    yield exchange.spoken.text
    yield from (f"→ tool: {result}" for result in exchange.answer.tool_results)
    if exchange.user is not None:
        yield f"→ user: {exchange.user}"
