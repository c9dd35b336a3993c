"""Exact texts: nothing is overlooked unless the suite says so, and never what changes the meaning."""

import pytest

from quantgate.pipelines.domain.values import JsonValue
from tests.support.grading.items import expecting, pure_grader

ALL: list[JsonValue] = ["case", "punctuation", "whitespace", "articles", "width"]


@pytest.mark.parametrize(
    ("ignore", "answer", "expected"),
    [
        ([], " café\n", "cafe\u0301"),
        (["case"], "STRASSE", "straße"),
        (["punctuation"], "Yes.", "yes".capitalize()),
        (["punctuation"], "“Hello, world!”", "Hello world"),
        (["punctuation"], "don't", "dont"),
        (["whitespace"], "one\n\t two", "one two"),
        (["articles"], "The cat on a mat", "cat on mat"),
        (["width"], "\uff21\uff22\uff23\u3000\uff11", "ABC 1"),
        (ALL, "The  Answer: Paris.", "answer paris"),
    ],
)
def test_what_is_ignored_does_not_count(
    ignore: list[JsonValue], answer: str, expected: str
) -> None:
    graded = pure_grader("exact", ignore=ignore).grade(answer, expecting(expected))

    assert graded.correct, graded.reason


@pytest.mark.parametrize(
    ("ignore", "answer", "expected"),
    [
        ([], "yes", "Yes"),
        ([], "yes.", "yes"),
        ([], "a  b", "a b"),
        (["case"], "yes.", "yes"),
        (ALL, "15", "1.5"),
        (ALL, "5", "-5"),
        (ALL, "5", "5 %"),
        (ALL, "C", "C#"),
        (ALL, "ab", "a b"),
        (ALL, "x2", "x\u00b2"),
        (ALL, "1030", "10:30"),
        (ALL, "theory", "ory"),
    ],
)
def test_what_changes_the_meaning_counts(
    ignore: list[JsonValue], answer: str, expected: str
) -> None:
    assert not pure_grader("exact", ignore=ignore).grade(answer, expecting(expected)).correct


def test_any_of_several_accepted_texts_is_right_and_the_reason_shows_both() -> None:
    grader = pure_grader("exact")

    assert grader.grade("two", expecting(["one", "two"])).correct
    assert (
        grader.grade("three", expecting(["one", "two"])).reason
        == "'three' instead of 'one' (or 1 others)"
    )


def test_expectations_that_can_never_be_met_are_named() -> None:
    grader = pure_grader("exact", ignore=ALL)

    assert grader.problem(expecting(3)) == "it is not a text"
    assert grader.problem(expecting([])) == "the list of accepted texts is empty"
    assert grader.problem(expecting("!!")) == "nothing is left of '!!' to compare"
    assert not grader.grade("", expecting("the")).correct


def test_equal_canonical_forms_are_the_same_answer() -> None:
    grader = pure_grader("exact", ignore=["case", "whitespace"])
    forms = {grader.grade(text, expecting("x")).canonical for text in ("No  Way", "no way")}

    assert forms == {"no way"}
