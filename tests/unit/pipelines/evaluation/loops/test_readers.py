"""What reads suites and runs beside graders sees loops whole: corpora, audits, early endings, logs."""

from dataclasses import replace

from quantgate.calibration.checks.contamination import contaminations
from quantgate.calibration.checks.coverage import item_text
from quantgate.pipelines.audit.behaviour import behaviour
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.suites.turns import Turn
from quantgate.pipelines.evaluation.adjudications import item_digest
from quantgate.pipelines.evaluation.grading import grade_answers
from quantgate.pipelines.gates.completions import best_completion, worst_completion
from tests.support.loops.scripted import answers_of, refund, refunding, suite_with
from tests.support.verdicts.judging import run_of

FOUND, DONE = ('{"status": "sent"}',), ("done",)


def spoken_turns(*users: str) -> tuple[Turn, ...]:
    return (Turn(), *(Turn(user=user) for user in users))


def row(text: str) -> CorpusSequence:
    return CorpusSequence(id="t1", messages=(Message(role="user", content=text),))


def test_a_later_message_of_the_user_is_looked_for_in_the_corpus_unless_it_is_short() -> None:
    said = "Then send the blue lamp to Oslo before the twelfth of May."
    item = refund()
    assert item.loop is not None
    loop = replace(item, loop=replace(item.loop, turns=spoken_turns(said, "Yes, please.")))
    assert [one.item_id for one in contaminations([row(said)], [loop])] == ["loop-1"]
    assert contaminations([row("Yes, please.")], [loop]) == ()
    assert [one.item_id for one in contaminations([row(item.messages[0].content)], [loop])]


def test_coverage_reads_what_users_and_tools_say_later() -> None:
    text = item_text(refund(), "contains")
    assert '"reason":"broken"' in text.replace(" ", "")
    assert "It broke." in text
    assert '{"status": "sent"}' in text


def test_an_answer_in_the_middle_that_goes_in_circles_is_counted_once_for_its_loop() -> None:
    suite = suite_with(refund())
    run = run_of(suite, ["yes"])
    first, *others = answers_of(refund(), refunding(), FOUND, (), DONE)
    circling = replace(others[0], token_ids=(5,) * 16, finish_reason="length")
    answers: list[Answer] = [first, circling, *others[1:]]
    graded = grade_answers(suite, answers, None)
    found = behaviour(replace(run, answers=graded))
    assert (found.items, found.loops, found.truncated) == (1, 1, 1)
    assert found.mean_tokens == 2 + 16 + 2 + 2


def test_the_worst_that_a_loop_could_still_answer_is_every_step_at_its_longest() -> None:
    suite = suite_with(refund(max_steps=5))
    run = run_of(suite, ["yes"])
    none = replace(run, answers=())
    worst = worst_completion(suite, run, none).answers[0]
    best = best_completion(suite, run, none).answers[0]
    assert worst.answer.length_tokens == 5 * suite.decode.max_tokens
    assert best.answer.length_tokens == 0


def test_a_decision_knows_the_script_it_was_made_for() -> None:
    item = refund()
    assert item.loop is not None
    other = replace(item, loop=replace(item.loop, max_steps=3))
    assert item_digest(item) != item_digest(other)
    assert item_digest(item) != item_digest(replace(item, loop=None))
