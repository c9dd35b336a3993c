"""What stands in an answer, in whole words where the suite asks for them."""

import pytest

from tests.support.grading.items import expecting, pure_grader

CONTAINS = pure_grader("contains")
WORDS = pure_grader("contains", words=True, case=False)


@pytest.mark.parametrize(
    ("expected", "text", "reason"),
    [
        ("Paris", "It is Paris.", ""),
        ("paris", "It is Paris.", "'paris' is not in 'It is Paris.'"),
        (["Rome", "Paris"], "It is Paris.", ""),
        (["Rome", "Oslo"], "Paris", "'Rome' nor any of 1 others is not in 'Paris'"),
        ({"all": ["a", "b"]}, "ab", ""),
        ({"all": ["a", "c"]}, "ab", "'c' is not in 'ab'"),
        ({"any": ["x", "b"], "none": ["c"]}, "abc", "'c' is there and must not be"),
        ("New York", "in New\n  York", ""),
    ],
)
def test_texts_are_found_and_the_reason_names_the_first_that_is_not(
    expected: object, text: str, reason: str
) -> None:
    graded = CONTAINS.grade(text, expecting(expected))  # type: ignore[arg-type]

    assert graded.correct is not bool(reason)
    assert graded.reason == (reason or "has what it has to")


@pytest.mark.parametrize(
    ("wanted", "text", "right"),
    [
        ("cat", "The cat.", True),
        ("cat", "concatenate", False),
        ("10", "it is 10.", True),
        ("10", "it is 100", False),
        ("10", "it is 10,000", False),
        ("1", "it is 1.5", False),
        ("ana", "banana ana", True),
        ("कम", "कमल", False),
        ("东京", "我在东京住", True),
        ("$200.00", "paid $200.00 today", True),
    ],
)
def test_whole_words_are_not_found_inside_others(wanted: str, text: str, right: bool) -> None:
    assert WORDS.grade(text, expecting(wanted)).correct is right


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        ("", "is blank"),
        ([], "is empty"),
        (3, "not a text"),
        ({}, "asks for nothing"),
        ({"some": ["a"]}, "unknown key 'some'"),
        ({"all": ["abc"], "none": ["b"]}, "'abc' must be there and holds 'b'"),
    ],
)
def test_expectations_that_can_never_be_met_are_named(expected: object, problem: str) -> None:
    assert problem in str(CONTAINS.problem(expecting(expected)))  # type: ignore[arg-type]
    assert not CONTAINS.grade("abc", expecting(expected)).correct  # type: ignore[arg-type]
