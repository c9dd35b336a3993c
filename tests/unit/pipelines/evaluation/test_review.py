"""What people decide about changed answers is bound to the answer, kept, and counts from then on."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from quantgate.flows.cli.review_terminal import ask
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.adjudication import Adjudication, Mark
from quantgate.pipelines.domain.suites.anchor import answer_digest
from quantgate.pipelines.domain.suites.suite import Item, Message, Suite
from quantgate.pipelines.domain.values import JsonObject, digest_of
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision, Verdict
from quantgate.pipelines.evaluation.adjudications import (
    adjudicated,
    decisions,
    item_digest,
)
from quantgate.pipelines.evaluation.grading import grade_answers
from quantgate.pipelines.gates.judge import judge
from quantgate.pipelines.report.review_page import render_review_page
from quantgate.pipelines.report.review_queue import EXPIRED, ReviewEntry, review_queue
from quantgate.pipelines.suites.adjudications import append_adjudications, load_adjudications
from tests.support.verdicts.judging import PASSED_AUDIT, run_of, suite_of

SUITE = suite_of([("s",)] * 6)


def decision(suite: Suite, index: int, text: str, mark: Mark = Mark.EQUIVALENT) -> Adjudication:
    item = suite.items[index]
    return Adjudication(
        item_id=item.id,
        item_sha256=item_digest(item),
        answer_sha256=answer_digest(text),
        mark=mark,
        decided_by="Ada",
        decided_on="2026-11-21",
        note="same meaning",
    )


def test_decisions_of_earlier_versions_hold() -> None:
    """The digest that version 0.1 wrote into adjudications.jsonl, of fields that messages had then."""
    item = Item(
        id="i",
        messages=(Message(role="user", content="question"),),
        expected="yes",
        slices=("s",),
    )
    message: JsonObject = {"role": "user", "content": "question", "name": None, "tool_calls": []}
    asked: JsonObject = {
        "messages": [message | {"tool_call_id": None}],
        "tools": [],
        "schema": None,
        "expected": "yes",
    }
    assert item_digest(item) == digest_of(asked)
    thought = replace(item.messages[0], role="assistant", reasoning_content="Hm.")
    assert item_digest(replace(item, messages=(thought,))) != item_digest(item)


def verdict(suite: Suite, reference: list[str], variant: list[str], name: str = "demo") -> Verdict:
    return judge(
        suite=suite,
        policy=Policy(reference_runs=1),
        audit=PASSED_AUDIT,
        reference_runs=[run_of(suite, reference)],
        variant_run=run_of(suite, variant, subject=name),
    )


def queue() -> tuple[ReviewEntry, ...]:
    base = ["yes", "yes", "yes", "no", "old", "old"]
    first = verdict(SUITE, base, ["ja", "yes", "si", "yes", "old", "old"], "demo--A")
    second = verdict(SUITE, base, ["yes", "yes", "si", "no", "old", "new"], "demo--B")
    return review_queue(SUITE, [first, second])


def test_answers_that_broke_most_variants_come_first_and_equal_answers_are_asked_once() -> None:
    assert [(e.item.id, e.why, e.given_by) for e in queue()] == [
        ("i-2", "broke", ("demo--A", "demo--B")),
        ("i-0", "broke", ("demo--A",)),
        ("i-3", "fixed", ("demo--A",)),
        ("i-4", EXPIRED, ("demo--A", "demo--B")),
    ]


def test_an_expectation_is_suspect_only_where_nobody_who_was_asked_answers_otherwise() -> None:
    assert "i-5" not in [entry.item.id for entry in queue()]


@pytest.mark.parametrize(
    ("mark", "correct"), [(Mark.EQUIVALENT, True), (Mark.BETTER, True), (Mark.WORSE, False)]
)
@pytest.mark.parametrize("text", ["yes", "ja"])
def test_a_decision_goes_before_the_grader_and_keeps_its_reason(
    mark: Mark, correct: bool, text: str
) -> None:
    item = SUITE.items[0]
    graded = run_of(SUITE, [text] * 6).answers[0]
    decided = decisions([decision(SUITE, 0, text, mark)], SUITE.items)

    judged = adjudicated(graded, item, decided).grade

    assert judged.correct is correct
    assert judged.score == float(correct)
    assert judged.reason == (
        f"{mark} in the eyes of Ada (2026-11-21): same meaning; the grader: made up"
    )
    assert judged.canonical == graded.grade.canonical


def test_a_decision_says_nothing_of_another_answer_another_item_or_a_changed_item() -> None:
    decided = decisions([decision(SUITE, 0, "ja")], SUITE.items)
    changed = replace(SUITE.items[0], expected="no")
    other = run_of(SUITE, ["ja!"] * 6).answers[0]
    same = run_of(SUITE, ["ja"] * 6).answers

    assert adjudicated(other, SUITE.items[0], decided) == other
    assert adjudicated(same[1], SUITE.items[1], decided) == same[1]
    assert decisions([decision(SUITE, 0, "ja")], [changed]) == {}
    moved = replace(SUITE.items[0], slices=("elsewhere",))
    assert len(decisions([decision(SUITE, 0, "ja")], [moved])) == 1


def test_an_error_of_the_runtime_is_never_adjudicated_away() -> None:
    graded = run_of(SUITE, [""] * 6).answers[0]
    failed = replace(graded, answer=replace(graded.answer, finish_reason="error"))

    decided = decisions([decision(SUITE, 0, "")], SUITE.items)

    assert adjudicated(failed, SUITE.items[0], decided) == failed


def test_a_variant_is_judged_anew_on_the_same_transcript() -> None:
    suite = suite_of([("s",)] * 40)
    answers = ["ja"] * 5 + ["yes"] * 35
    transcript = [graded.answer for graded in run_of(suite, answers).answers]

    def decided(held: Suite) -> Decision:
        run = run_of(held, answers, subject="demo")
        run = replace(run, answers=grade_answers(held, transcript, None))
        base = run_of(held, ["yes"] * 40)
        base = replace(
            base, answers=grade_answers(held, [graded.answer for graded in base.answers], None)
        )
        return judge(
            suite=held,
            policy=Policy(reference_runs=1),
            audit=PASSED_AUDIT,
            reference_runs=[base],
            variant_run=run,
        ).decision

    assert decided(suite) is Decision.FAIL
    marks = tuple(decision(suite, index, "ja") for index in range(5))
    assert decided(replace(suite, adjudications=marks)) is Decision.PASS


def test_decisions_are_appended_once_and_the_last_one_wins(tmp_path: Path) -> None:
    file = tmp_path / "adjudications.jsonl"
    first, second = decision(SUITE, 0, "ja"), decision(SUITE, 1, "ja")
    changed = replace(first, mark=Mark.WORSE)

    assert append_adjudications(file, [first, second]) == 2
    assert append_adjudications(file, [first]) == 0
    assert append_adjudications(file, [changed]) == 1

    assert load_adjudications(file) == (first, second, changed)
    held = decisions(load_adjudications(file), SUITE.items)
    assert held[("i-0", answer_digest("ja"))].mark is Mark.WORSE


def test_a_damaged_file_is_refused_with_its_line_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "adjudications.jsonl"
    append_adjudications(file, [decision(SUITE, 0, "ja")])
    file.write_text(file.read_text() + '{"item_id": "i-1", "mark": "fine"}\n')
    before = file.read_text()

    with pytest.raises(InputError, match=r"line 2: .*mark"):
        append_adjudications(file, [decision(SUITE, 1, "ja")])

    assert file.read_text() == before


def test_the_form_escapes_what_models_say_and_names_what_a_decision_binds_to() -> None:
    base = ["yes"] * 6
    hostile = "</script><img src=x onerror=alert(1)>"
    entries = review_queue(SUITE, [verdict(SUITE, base, [hostile, *base[1:]])])

    page = render_review_page("demo--build", SUITE, entries)

    assert hostile not in page
    assert f'data-answer-sha256="{answer_digest(hostile)}"' in page
    assert f'data-item-sha256="{item_digest(SUITE.items[0])}"' in page
    assert "1 answer to decide on" in page


def test_the_terminal_asks_until_it_understands() -> None:
    replies = iter(["?", "b", " shorter "])
    console = Console(record=True, width=90, force_terminal=False)

    said = ask(queue()[0], number=1, total=4, console=console, read=lambda _: next(replies))

    assert said is not None
    assert (said.mark, said.note) == (Mark.BETTER, "shorter")
    shown = console.export_text()
    assert "1/4  i-2  broke" in shown
    assert "demo--A, demo--B" in shown
    assert ask(queue()[0], number=1, total=4, console=console, read=lambda _: "q") is None


def test_the_file_is_one_json_object_a_line(tmp_path: Path) -> None:
    file = tmp_path / "adjudications.jsonl"
    append_adjudications(file, [decision(SUITE, 0, "ja")])

    assert json.loads(file.read_text())["mark"] == "equivalent"
