"""A transcript is graded item by item: samples together, observed graders through one worker call each."""

import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.run import Answer, Grade
from quantgate.pipelines.domain.suites.suite import DecodeSettings, GraderSpec, Item
from quantgate.pipelines.domain.suites.thoughts import Spoken
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.graders.reading.grades import judged
from quantgate.pipelines.evaluation.graders.table import KnownGrades, grade_answer
from quantgate.pipelines.evaluation.grading import grade_answers
from quantgate.pipelines.evaluation.observing import (
    ObservationRunner,
    ObserveCall,
    ObserveTally,
    Question,
)
from quantgate.pipelines.evaluation.sampling import sample_id, together
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, WorkerCall, WorkerReply, ignore_progress
from tests.support.grading.items import expecting, pure_grader
from tests.support.verdicts.judging import suite_of


def answer(item_id: str, text: str) -> Answer:
    return Answer(item_id=item_id, text=text, token_ids=(1,), finish_reason="stop", prompt_tokens=3)


def test_the_first_sample_keeps_the_items_id() -> None:
    assert [sample_id("a", number) for number in range(3)] == ["a", "a#2", "a#3"]


@pytest.mark.parametrize(
    ("texts", "correct", "score"),
    [
        (["yes", "yes", "no"], True, 2 / 3),
        (["yes", "no"], False, 0.5),
        (["no", "no", "yes"], False, 1 / 3),
    ],
)
def test_samples_are_right_by_majority_and_scored_by_their_mean(
    texts: list[str], correct: bool, score: float
) -> None:
    samples = [
        grade_answer(pure_grader("exact"), answer(f"a#{n}", text), expecting("yes"))
        for n, text in enumerate(texts)
    ]

    whole = together(samples)

    assert whole.grade.correct is correct
    assert whole.grade.score == pytest.approx(score)
    assert whole.samples == tuple(samples)
    assert whole.answer.text == ("yes" if correct else "no")


def test_items_are_graded_by_their_own_grader_and_samples() -> None:
    suite = suite_of([("some",), ("some",)])
    twice = replace(
        suite.items[0],
        decode=DecodeSettings(max_tokens=4, temperature=1.0, samples=2),
        expected="yes",
    )
    call = replace(
        suite.items[1], grader=GraderSpec(kind="tool_call"), expected={"name": "a", "arguments": {}}
    )
    suite = replace(suite, items=(twice, call))
    answers = [
        answer(twice.id, "yes"),
        answer(f"{twice.id}#2", "yes"),
        answer(call.id, '{"name": "a", "arguments": {}}'),
    ]

    graded = grade_answers(suite, answers, None)

    assert [one.grade.correct for one in graded] == [True, True]
    assert [one.grade.grader for one in graded] == ["exact@2", "tool_call@2"]
    assert len(graded[0].samples) == 2
    with pytest.raises(WorkerError, match=f"no answer to '{twice.id}#2'"):
        grade_answers(suite, [answers[0], answers[2]], None)


def test_an_answer_given_again_is_graded_once() -> None:
    suite = suite_of([("some",), ("some",)])
    first, second = (item.id for item in suite.items)
    known: KnownGrades = {}
    grade_answers(suite, [answer(first, "yes"), answer(second, "yes")], None, known)
    yes, no = Spoken(text="yes"), Spoken(text="no")
    assert set(known) == {(first, yes), (second, yes)}

    known[first, yes] = replace(known[first, yes], reason="looked up")
    again = grade_answers(suite, [answer(first, "yes"), answer(second, "no")], None, known)

    assert [one.grade.correct for one in again] == [True, False]
    assert again[0].grade.reason == "looked up"
    assert set(known) == {(first, yes), (second, yes), (second, no)}


def test_a_known_grade_still_tells_that_this_answer_was_cut_off() -> None:
    suite = suite_of([("some",)])
    whole = answer(suite.items[0].id, "yes")
    known: KnownGrades = {}
    (first,) = grade_answers(suite, [whole], None, known)
    (cut,) = grade_answers(suite, [replace(whole, finish_reason="length")], None, known)
    assert "cut off" in cut.grade.reason
    assert "cut off" not in first.grade.reason


class LengthGrader:
    """An observed grader for tests: right where the worker saw as many characters as expected."""

    name = "length@1"
    worker = "quantgate.pipelines.evaluation.observing"
    options: ClassVar[JsonObject] = {}

    def problem(self, item: Item) -> str | None:
        return None

    def question(self, answer_text: str, item: Item) -> JsonValue:
        return answer_text

    def grade_observed(self, answer_text: str, item: Item, observation: JsonValue) -> Grade:
        found = None if observation == item.expected else f"{observation} characters"
        return judged(self.name, problem=found, canonical=answer_text)


class Counting:
    """Runs the 'worker' in place, forgetting the answers named."""

    def __init__(self, forget: str = "") -> None:
        self.calls: list[WorkerCall] = []
        self.forget = forget

    def __call__(
        self, call: WorkerCall, reply_type: type[object], on_progress: OnProgress
    ) -> WorkerReply[object]:
        self.calls.append(call)
        request = call.request
        assert isinstance(request, ObserveCall)
        rows = [json.loads(line) for line in request.questions.read_text().splitlines()]
        lines = [
            json.dumps({"id": row["id"], "observation": len(row["question"])}) + "\n"
            for row in rows
            if row["id"] != self.forget
        ]
        request.observations.write_text("".join(lines))
        return WorkerReply(value=ObserveTally(observed=len(lines)), seconds=0, peak_memory_bytes=0)


QUESTIONS = (Question(id="a", question="four"), Question(id="b", question="three"))


def test_observations_are_made_once_and_read_from_then_on(tmp_path: Path) -> None:
    run_worker = Counting()
    observation_runner = ObservationRunner(store=Store(root=tmp_path), run_worker=run_worker)  # type: ignore[arg-type]

    first = observation_runner.observe(LengthGrader(), QUESTIONS, ignore_progress)
    again = observation_runner.observe(LengthGrader(), QUESTIONS, ignore_progress)
    observation_runner.observe(LengthGrader(), QUESTIONS[:1], ignore_progress)

    assert first == again == {"a": 4, "b": 5}
    assert len(run_worker.calls) == 2


def test_an_answer_that_was_not_observed_is_an_error_and_what_was_seen_is_kept(
    tmp_path: Path,
) -> None:
    run_worker = Counting(forget="b")
    observation_runner = ObservationRunner(store=Store(root=tmp_path), run_worker=run_worker)  # type: ignore[arg-type]

    with pytest.raises(WorkerError, match="1 answers were not observed, the first is 'b'"):
        observation_runner.observe(LengthGrader(), QUESTIONS, ignore_progress)

    (kept,) = tmp_path.glob("observations/*.unfinished/observations.jsonl")
    assert '"a"' in kept.read_text()
