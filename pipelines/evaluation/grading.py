"""Grading a transcript: every answer by its item's grader, samples of an item together."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.run import Answer, GradedAnswer
from quantgate.pipelines.domain.suites.suite import Item, Suite
from quantgate.pipelines.domain.suites.thoughts import Spoken
from quantgate.pipelines.domain.values import JsonValue, canonical_json
from quantgate.pipelines.evaluation.adjudications import adjudicated, decisions
from quantgate.pipelines.evaluation.answer_reading import AnswerReader
from quantgate.pipelines.evaluation.graders.reading.speech import SpokenObservedGrader
from quantgate.pipelines.evaluation.graders.table import KnownGrades, grade_answer, grader_for
from quantgate.pipelines.evaluation.loops.conversation import spoken_of
from quantgate.pipelines.evaluation.loops.grading import (
    GradingTask,
    grade_loop,
    loop_answers,
    loop_grading_tasks,
)
from quantgate.pipelines.evaluation.observing import ObservationRunner, Question
from quantgate.pipelines.evaluation.sampling import sample_id, together
from quantgate.pipelines.process.calls import ignore_progress


def grade_answers(
    suite: Suite,
    answers: Sequence[Answer],
    observation_runner: ObservationRunner | None,
    known_grades: KnownGrades | None = None,
    reader: AnswerReader | None = None,
) -> tuple[GradedAnswer, ...]:
    """Grade a whole transcript; one graded answer an item, in suite order.

    What people decided about an answer goes before what its grader says.
    Without an observation runner nothing can be observed: then a suite with observed graders is refused.
    `known_grades` is shared by transcripts of one suite: an item's answer that is the same again is
    graded once.
    `reader` tells thoughts from what is said; without one, texts alone tell, by the suite's marks.

    Raises:
        WorkerError: where an item has no answer.
        InputError, ToolchainError, ServiceError, WorkerError: from observing.
    """
    answered = {answer.item_id: answer for answer in answers}
    decided = decisions(suite.adjudications, suite.items)
    reader = reader or AnswerReader(thoughts=suite.thoughts)
    spoken = {answer.item_id: reader.read(answer) for answer in answers}
    observed = _observed(suite, answered, reader, observation_runner)

    def graded(item: Item, answer: Answer) -> GradedAnswer:
        if item.loop is not None:
            steps = loop_answers(answered, answer.item_id)
            whole = grade_loop(suite, item, steps, reader=reader, observed=observed)
            return adjudicated(whole, item, decided)
        grader = grader_for(suite.grader_of(item), suite.thoughts)
        said = spoken[answer.item_id] or Spoken(text=answer.text)
        seen = observed.get(answer.item_id)
        judged = grade_answer(grader, answer, item, seen, known_grades, said)
        return adjudicated(judged, item, decided)

    return tuple(
        together([graded(item, answer) for answer in _samples(suite, item, answered)])
        for item in suite.items
    )


def asked(suite: Suite, item: Item) -> list[str]:
    """Return the ids under which an item is answered: one for each of its samples."""
    return [sample_id(item.id, number) for number in range(suite.decode_of(item).samples)]


def _samples(suite: Suite, item: Item, answered: Mapping[str, Answer]) -> list[Answer]:
    ids = asked(suite, item)
    missing = [sample for sample in ids if sample not in answered]
    if missing:
        raise WorkerError(f"the transcript has no answer to '{missing[0]}'", where=suite.name)
    return [answered[sample] for sample in ids]


def _tasks(
    suite: Suite, answered: Mapping[str, Answer], reader: AnswerReader
) -> Iterator[GradingTask]:
    """Yield every answer with what it is held against; one of a loop may be held against several steps."""
    for item in suite.items:
        spec = suite.grader_of(item)
        for answer in _samples(suite, item, answered):
            if item.loop is not None:
                steps = loop_answers(answered, answer.item_id)
                yield from loop_grading_tasks(suite, item, steps, reader)
            else:
                yield GradingTask(id=answer.item_id, grader=spec, answer=answer, item=item)


def _observed(
    suite: Suite,
    answered: Mapping[str, Answer],
    reader: AnswerReader,
    observation_runner: ObservationRunner | None,
) -> Mapping[str, JsonValue]:
    """Return observations by answer id: one worker a grader, for all answers that it judges."""
    questions: dict[str, list[Question]] = defaultdict(list)
    graders: dict[str, SpokenObservedGrader] = {}
    for task in _tasks(suite, answered, reader):
        grader = grader_for(task.grader, suite.thoughts)
        if not isinstance(grader, SpokenObservedGrader):
            continue
        key = f"{task.grader.kind} {canonical_json(task.grader.options)}"
        graders[key] = grader
        if task.answer.finish_reason != "error":
            said = spoken_of(task.answer, reader)
            asked = grader.question_spoken(said, task.item)
            questions[key].append(Question(id=task.id, question=asked))
    observations: dict[str, JsonValue] = {}
    for key, grader in graders.items():
        if observation_runner is None:
            raise WorkerError(f"{grader.name} needs a worker to observe answers", where=suite.name)
        observations |= observation_runner.observe(grader, questions[key], ignore_progress)
    return observations
