"""A loop is graded by the steps it reached, and is right where its end is."""

from dataclasses import replace

import pytest

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.run import GradedAnswer
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.evaluation.answer_reading import AnswerReader
from quantgate.pipelines.evaluation.grading import grade_answers
from quantgate.pipelines.evaluation.loops.conversation import held
from tests.support.loops.scripted import answers_of, call, refund, refunding, suite_with

FOUND = ('{"status": "sent"}',)
DONE = ("done",)


def graded(item: Item, texts: list[str], *results: tuple[str, ...]) -> GradedAnswer:
    return grade_answers(suite_with(item), answers_of(item, texts, *results), None)[0]


def test_a_loop_that_takes_every_step_and_ends_right_is_right() -> None:
    whole = graded(refund(), refunding(), FOUND, (), DONE)
    assert whole.grade.correct
    assert whole.grade.score == 1.0
    assert whole.grade.reason.startswith("4 of 4 steps reached; the end: ")
    assert [step.grade is not None for step in whole.steps] == [True, True, True, False]
    assert [step.user for step in whole.steps] == [None, "It broke.", None, None]


def test_its_answer_is_the_whole_conversation() -> None:
    whole = graded(refund(), refunding(), FOUND, (), DONE)
    assert whole.answer.item_id == "loop-1"
    assert whole.answer.text.splitlines() == [
        call("find_order", order_id="A-1"),
        '→ tool: {"status": "sent"}',
        "May I ask why?",
        "→ user: It broke.",
        call("refund", order_id="A-1", reason="broken"),
        "→ tool: done",
        "It is refunded.",
    ]
    assert whole.answer.length_tokens == 8
    assert whole.answer.prompt_tokens == 40


def test_a_detour_that_is_put_right_costs_no_step() -> None:
    texts = [call("find_order", order_id="B-9"), *refunding()]
    whole = graded(refund(), texts, ('{"error": "none"}',), FOUND, (), DONE)
    assert whole.grade.correct
    assert whole.grade.score == 1.0


def test_a_wrong_act_is_wrong_even_where_the_model_says_that_all_is_well() -> None:
    texts = refunding()
    texts[2] = call("refund", order_id="A-7", reason="broken")
    whole = graded(refund(), texts, FOUND, (), ('{"error": "none"}',))
    assert not whole.grade.correct
    assert whole.grade.score == 3 / 4
    assert "required step 3 (turn 2) was missed: wrong value at $.order_id" in whole.grade.reason
    assert whole.grade.way == "wrong arguments"


def test_a_step_that_is_not_required_costs_score_alone() -> None:
    texts = refunding()
    texts[1] = "One moment."
    whole = graded(refund(), texts, FOUND, (), DONE)
    assert whole.grade.correct
    assert whole.grade.score == 3 / 4
    assert "step 2 (turn 1) was missed" in whole.grade.reason


def test_a_wrong_end_is_wrong_whatever_was_reached_before() -> None:
    texts = [*refunding()[:3], "I cannot help."]
    whole = graded(refund(), texts, FOUND, (), DONE)
    assert not whole.grade.correct
    assert whole.grade.reason.startswith("3 of 4 steps reached; the end: ")


def test_the_reason_names_the_required_step_that_spoilt_a_right_end_else_the_first_missed() -> None:
    whole = graded(refund(), ["Why?", "It is refunded."])
    assert not whole.grade.correct
    assert "required step 3 (turn 2) was missed" in whole.grade.reason
    assert "step 1 (turn 1) was missed: not JSON" in graded(refund(), ["Why?", "No."]).grade.reason
    brief = graded(refund(), [call("find_order", order_id="A-1"), "No.", "No."], FOUND)
    assert brief.grade.score == 1 / 4


def test_a_loop_without_end_is_wrong_after_the_most_steps() -> None:
    texts = [call("find_order", order_id="A-1")] * 3
    whole = graded(refund(max_steps=3), texts, FOUND, FOUND, FOUND)
    assert not whole.grade.correct
    assert "no end after 3 answers" in whole.grade.reason
    assert whole.grade.way == "no end"


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("context", "answer 2 has no room in the model's context: the conversation is 20 tokens"),
        ("error", "the runtime reported an error instead of answer 2"),
    ],
)
def test_a_conversation_that_cannot_go_on_is_wrong_with_its_reason(
    finish: str, reason: str
) -> None:
    first, second = answers_of(refund(), [refunding()[0], ""], FOUND)
    cut = replace(second, finish_reason=finish, token_ids=())  # type: ignore[arg-type] # parametrized
    whole = grade_answers(suite_with(refund()), (first, cut), None)[0]
    assert not whole.grade.correct
    assert reason in whole.grade.reason
    assert whole.answer.finish_reason == finish


def test_a_transcript_that_stops_in_the_middle_is_refused() -> None:
    with pytest.raises(WorkerError, match="no answer to step 3 of 'loop-1'"):
        graded(refund(), refunding()[:2], FOUND)


def test_equal_conversations_have_equal_canonical_forms_and_others_not() -> None:
    one = graded(refund(), refunding(), FOUND, (), DONE)
    spaced = [f" {text} " for text in refunding()]
    other = [*refunding()[:1], "But why?", *refunding()[2:]]
    assert graded(refund(), spaced, FOUND, (), DONE).grade.canonical == one.grade.canonical
    assert graded(refund(), other, FOUND, (), DONE).grade.canonical != one.grade.canonical


def test_a_broken_call_calls_nothing_and_hands_back() -> None:
    item = refund()
    broken = answers_of(item, ['{"name": "find_order", "arguments": '])
    conversation = held(item, broken, AnswerReader())
    assert conversation.exchanges[0].calls == ()
    assert conversation.exchanges[0].user == "It broke."


def test_without_tools_every_answer_hands_back_even_a_call() -> None:
    item = refund()
    assert item.loop is not None
    bare = replace(item, loop=replace(item.loop, tools=()))
    conversation = held(bare, answers_of(bare, refunding()[:1]), AnswerReader())
    assert conversation.exchanges[0].user == "It broke."
