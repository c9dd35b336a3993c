"""Patterns: what must and what must not be met, within a bounded time."""

import time

import pytest

from quantgate.pipelines.domain.values import JsonValue
from tests.support.grading.items import expecting, pure_grader

REGEX = pure_grader("regex")


@pytest.mark.parametrize(
    ("expected", "text", "reason"),
    [
        (r"\d{4}", "in 1984.", ""),
        (r"\d{4}", "in 84.", r"pattern '\\d{4}' is not in 'in 84.'"),
        ({"must": ["a", "b"]}, "a", "pattern 'b' is not in 'a'"),
        ({"must": ["a"], "must_not": ["c"]}, "abc", "pattern 'c' is met and must not be"),
        ({"must_not": "sorry"}, "here it is", ""),
        ("caf\u00e9", "cafe\u0301", ""),
    ],
)
def test_patterns_are_searched_and_the_reason_names_the_first_that_fails(
    expected: object, text: str, reason: str
) -> None:
    graded = REGEX.grade(text, expecting(expected))  # type: ignore[arg-type]

    assert graded.correct is not bool(reason)
    assert graded.reason == (reason or "as the patterns ask")


def test_whole_answers_and_case() -> None:
    assert not pure_grader("regex", where="whole").grade("42 of them", expecting(r"\d+")).correct
    assert pure_grader("regex", where="whole").grade(" 42\n", expecting(r"\d+")).correct
    assert not REGEX.grade("YES", expecting("yes")).correct
    assert pure_grader("regex", ignore_case=True).grade("YES", expecting("yes")).correct
    forbidden: JsonValue = {"must": ".*", "must_not": "no"}
    assert not pure_grader("regex", where="whole").grade("yes no", expecting(forbidden)).correct


def test_a_pattern_that_explodes_is_stopped_and_named() -> None:
    started = time.process_time()
    graded = REGEX.grade("a" * 60 + "!", expecting(r"^(a|a)+$"))

    assert not graded.correct
    assert time.process_time() - started < 10
    assert "needs longer than 1 s" in graded.reason


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        ("(", "is not valid"),
        ("", "is blank"),
        (3, "neither a pattern nor"),
        ([], "neither a pattern nor"),
        ({}, "it has no pattern"),
        ({"must": "a", "mustnt": "b"}, "unknown key 'mustnt'"),
        ({"must": ["a"], "must_not": ["a"]}, "must and must not be met"),
        ("(" * 4000 + ")" * 4000, "too deep"),
        ("a" * 10_001, "is longer than 10000"),
    ],
)
def test_expectations_that_can_never_be_met_are_named(expected: object, problem: str) -> None:
    item = expecting(expected)  # type: ignore[arg-type]

    assert problem in str(REGEX.problem(item))
    assert not REGEX.grade("a", item).correct
