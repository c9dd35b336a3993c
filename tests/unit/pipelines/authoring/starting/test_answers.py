"""Graders are chosen by looking at answers, and only where an item's own answer is right by them."""

import pytest

from quantgate.pipelines.authoring.starting.answers import (
    AnswerLabels,
    GraderChoice,
    grader_choice,
    item_of,
)
from quantgate.pipelines.authoring.starting.rows import StartRow
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.evaluation.graders.table import grade_answer, grader_for

CALL: JsonValue = {"name": "ship", "arguments": {"city": "Oslo"}}
LOGGED: JsonValue = [
    {"id": "1", "type": "function", "function": {"name": "ship", "arguments": '{"city": "Oslo"}'}}
]
PROSE = (
    "Tides rise and fall because the moon pulls the water that lies nearest to it towards itself."
)


def row(answer: JsonValue, question: str = "What is it?") -> StartRow:
    return StartRow(number=1, messages=(Message(role="user", content=question),), answer=answer)


def chosen(
    answer: JsonValue, question: str = "What is it?", labels: AnswerLabels | None = None
) -> GraderChoice:
    choice = grader_choice(row(answer, question), labels or AnswerLabels(names=()))
    assert choice is not None
    return choice


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (CALL, "tool_call"),
        (LOGGED, "tool_call"),
        ([CALL, CALL], "bfcl"),
        ({"colour": "red"}, "json"),
        ("366", "number"),
        ("$1,200", "number"),
        ("12.5 km", "number"),
        (7, "number"),
        ("so it is \\boxed{42}", "number"),
        ("Paris", "contains"),
        ("2024-05-01", "contains"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        (PROSE, "chrf"),
    ],
)
def test_the_form_of_an_answer_chooses_its_grader(answer: JsonValue, kind: str) -> None:
    assert chosen(answer).grader.kind == kind


def test_a_letter_is_a_choice_where_the_question_has_that_option() -> None:
    options = "Which one?\nA) a dog\nB) a cat"
    assert chosen("b", options).expected == "B"
    assert chosen("b", options).grader.kind == "choice"
    assert chosen("C", options).grader.kind == "contains"


def test_few_texts_that_all_answers_are_made_of_are_labels() -> None:
    rows = [row(name) for name in ("yes", "no") * 4]
    labels = AnswerLabels.of(rows)
    assert labels.names == ("no", "yes")
    assert chosen("yes", labels=labels).grader.options == {"choices": ["no", "yes"]}
    assert AnswerLabels.of(rows[:5]).names == ()
    assert AnswerLabels.of([row(str(number % 2)) for number in range(20)]).names == ()


def test_a_sentence_around_a_short_answer_is_right_and_another_answer_is_not() -> None:
    choice = chosen("Paris.")
    item, grader = item_of(row("Paris."), choice), grader_for(choice.grader)

    def correct(text: str) -> bool:
        answer = Answer(item_id="1", text=text, token_ids=(), finish_reason="stop", prompt_tokens=1)
        return grade_answer(grader, answer, item).grade.correct

    assert correct("The capital of France is Paris.")
    assert not correct("The capital of France is Parisville.")


def test_what_has_no_answer_has_no_grader() -> None:
    assert grader_choice(row(None), AnswerLabels(names=())) is None
