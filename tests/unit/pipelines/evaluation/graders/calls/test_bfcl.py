"""Calls against BFCL's answer format. Negative cases are named for the false positive they prevent."""

import json

import pytest

from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from tests.support.grading.calls import Call, as_json
from tests.support.grading.items import expecting, pure_grader

BOOK: JsonObject = {
    "name": "book",
    "parameters": {
        "type": "dict",
        "properties": {
            "city": {"type": "string"},
            "nights": {"type": "integer"},
            "price": {"type": "float"},
            "late": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "guest": {"type": "dict"},
        },
        "required": ["city", "nights"],
    },
}
LIST: JsonObject = {"name": "hotel.list", "parameters": {"type": "dict", "properties": {}}}
EXPECTED: JsonValue = [{"book": {"city": ["Paris", "Paris, France"], "nights": [2]}}]
RIGHT: Call = ("book", {"city": "Paris", "nights": 2})


def graded(
    expected: JsonValue, *calls: Call, answer: str | None = None, **options: JsonValue
) -> Grade:
    item = expecting(expected, tools=(BOOK, LIST))
    text = as_json(calls) if answer is None else answer
    return pure_grader("bfcl", **options).grade(text, item)


def facets(grade: Grade) -> dict[str, float]:
    return {facet.name: round(facet.score, 3) for facet in grade.facets}


def one(**arguments: JsonValue) -> JsonValue:
    return [{"book": {"city": ["Paris"], "nights": [2], **arguments}}]


def booked(**arguments: JsonValue) -> Call:
    return ("book", {"city": "Paris", "nights": 2, **arguments})


def test_the_expected_call_is_right_with_any_allowed_value() -> None:
    for city in ("Paris", "Paris, France", "paris france"):
        grade = graded(EXPECTED, ("book", {"nights": 2, "city": city}))
        assert (grade.correct, grade.score) == (True, 1.0)
        assert facets(grade) == {"tool": 1.0, "calls": 1.0, "arguments": 1.0}


@pytest.mark.parametrize(
    ("allowed", "found"),
    [
        ({"price": [9.5, ""]}, {}),
        ({"price": [9.0]}, {"price": 9}),
        ({"nights": [2.0]}, {"nights": 2}),
        ({"tags": [["sea", "quiet"]]}, {"tags": ["Sea", "quiet."]}),
        ({"guest": [{"name": ["Ann", "Anna"], "age": ["", 5]}]}, {"guest": {"name": "Anna"}}),
        ({"guest": [{"tags": [["a"], ["b"]]}]}, {"guest": {"tags": ["b"]}}),
        ({"guest": ["guestVariable"]}, {"guest": "guestVariable"}),
        ({"tags": [[{"k": ["x"]}]]}, {"tags": [{"k": "x"}]}),
        ({"price": [None]}, {"price": None}),
        ({"tags": []}, {"tags": []}),
        ({"city": ["It's 5/6"]}, {"city": 'it"s 56'}),
    ],
)
def test_what_bfcl_allows_is_right(allowed: JsonObject, found: JsonObject) -> None:
    grade = graded(one(**allowed), booked(**found))
    assert grade.correct, grade.reason


@pytest.mark.parametrize(
    ("allowed", "found", "reason"),
    [
        ({}, {"city": "Lyon"}, 'wrong value at $.city: "Lyon" instead of "Paris"'),
        ({}, {"nights": "2"}, 'wrong type at $.nights: string "2" instead of integer'),
        ({}, {"nights": 2.5}, "wrong type at $.nights: number 2.5 instead of integer"),
        ({}, {"nights": True}, "wrong type at $.nights: boolean true instead of integer"),
        ({"late": [True]}, {"late": 1}, "wrong type at $.late: integer 1 instead of boolean"),
        ({"late": [True]}, {"late": "true"}, "wrong type at $.late"),
        ({"late": [True]}, {}, "missing argument $.late"),
        ({}, {"late": True}, "extra argument $.late"),
        ({}, {"invented": 1}, "extra argument $.invented"),
        ({"tags": [["a", "b"]]}, {"tags": ["b", "a"]}, "wrong value at $.tags"),
        ({"tags": [["a", "b"]]}, {"tags": ["a"]}, "wrong value at $.tags"),
        ({"tags": [["a"]]}, {"tags": "a"}, "wrong type at $.tags: string"),
        ({"guest": [{"name": ["Ann"]}]}, {"guest": {}}, "wrong value at $.guest"),
        ({"guest": [{"name": ["Ann"]}]}, {"guest": {"name": "Ann", "x": 1}}, "wrong value"),
        ({"guest": [{"name": ["Ann"]}]}, {"guest": {"name": ["Ann"]}}, "wrong value"),
        ({"city": ["3.5"]}, {"city": "35"}, 'wrong value at $.city: "35" instead of "3.5"'),
        ({"city": ["-5"]}, {"city": "5"}, "wrong value at $.city"),
        ({"city": ["-"]}, {"city": "/"}, "wrong value at $.city"),
        ({"price": ["", 9.5]}, {"price": ""}, 'wrong type at $.price: string ""'),
    ],
)
def test_what_is_not_allowed_is_wrong_with_a_reason(
    allowed: JsonObject, found: JsonObject, reason: str
) -> None:
    grade = graded(one(**allowed), booked(**found))
    assert not grade.correct
    assert grade.reason.startswith(reason)


def test_leaving_out_what_the_tool_requires_is_wrong_even_where_the_answer_file_allows_it() -> None:
    grade = graded([{"book": {"city": ["Paris", ""], "nights": [2]}}], ("book", {"nights": 2}))
    assert (grade.correct, grade.reason) == (False, "missing argument $.city")


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        ([], "missing call: nothing is called"),
        ([("hotel.list", {})], "wrong tool: 'hotel.list' instead of 'book'"),
        ([("reserve", {})], "the tool 'reserve' was not offered"),
        ([RIGHT, ("reserve", {})], "the tool 'reserve' was not offered"),
        ([RIGHT, RIGHT], "duplicate call of 'book'"),
        ([RIGHT, ("hotel.list", {})], "extra call of 'hotel.list'"),
        ([("BOOK", RIGHT[1])], "the tool 'BOOK' was not offered"),
    ],
)
def test_wrong_invented_missing_and_extra_calls_are_wrong(calls: list[Call], reason: str) -> None:
    grade = graded(EXPECTED, *calls)
    assert (grade.correct, grade.score, grade.reason) == (False, 0.0, reason)


def test_parallel_calls_are_matched_over_all_pairings_and_not_greedily() -> None:
    """Whoever takes the first call that fits the first expectation leaves nothing for the second."""
    expected: JsonValue = [
        {"book": {"city": ["Paris", "Rome"], "nights": [2]}},
        {"book": {"city": ["Paris"], "nights": [2]}},
    ]
    calls: list[Call] = [RIGHT, ("book", {"city": "Rome", "nights": 2})]
    assert graded(expected, *calls).correct
    assert graded(expected, *reversed(calls)).correct
    assert not graded(expected, calls[1], calls[1]).correct


def test_a_missing_parallel_call_shows_in_the_facets_but_not_in_the_score() -> None:
    expected: JsonValue = [
        {"book": {"city": ["Paris"], "nights": [2]}},
        {"book": {"city": ["Rome"], "nights": [3]}},
    ]
    grade = graded(expected, RIGHT)
    assert (grade.correct, grade.score) == (False, 0.0)
    assert grade.reason == "missing call of 'book'"
    assert facets(grade) == {"tool": 0.5, "calls": 0.5, "arguments": 0.5}
    near = graded(expected, RIGHT, ("book", {"city": "Rome", "nights": 4}))
    assert near.reason == "wrong value at $.nights: 4 instead of 3 of 'book'"
    assert facets(near) == {"tool": 1.0, "calls": 0.5, "arguments": 0.75}


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("None of these tools can do that.", True),
        ("[]", True),
        ('{"answer": 5}', True),
        ("", False),
        ("  \n", False),
        ("[hotel.list()]", False),
        ('{"name": "unknown", "arguments": {}}', False),
        ('<tool_call>{"name": "book", "argu', False),
        ('{"name": "book", "arguments": {', False),
    ],
)
def test_where_no_tool_may_be_called_a_plain_answer_is_right_and_nothing_else(
    answer: str, right: bool
) -> None:
    """A silent model, and one that is cut off in a call, did not decline."""
    assert graded([], answer=answer).correct is right


def test_texts_are_compared_letter_by_letter_where_the_suite_says_so() -> None:
    assert graded(one(), booked(city="paris")).correct
    assert not graded(one(), booked(city="paris"), strings="exact").correct


def test_underscores_stand_for_dots_only_where_the_suite_says_so() -> None:
    expected: JsonValue = [{"hotel.list": {}}]
    assert graded(expected, ("hotel.list", {})).correct
    assert graded(expected, ("hotel_list", {})).reason == "the tool 'hotel_list' was not offered"
    assert graded(expected, ("hotel_list", {}), underscores=True).correct


def test_tools_in_openais_form_are_known_too() -> None:
    wrapped: JsonObject = {"type": "function", "function": BOOK}
    item = expecting(EXPECTED, tools=(wrapped,))
    grader = pure_grader("bfcl")
    assert grader.problem(item) is None
    assert grader.grade(as_json([RIGHT]), item).correct
    assert not grader.grade(as_json([("book", {"city": "Paris", "nights": "2"})]), item).correct


@pytest.mark.parametrize(
    ("expected", "says"),
    [
        ("book", "not a list"),
        ([{"book": {}, "list": {}}], "not one"),
        ([{"book": ["Paris"]}], "not an object"),
        ([{"fly": {}}], "'fly' is not among the item's tools"),
        ([{"book": {}}] * 65, "more than 64"),
    ],
)
def test_expectations_that_nothing_can_meet_are_problems(expected: JsonValue, says: str) -> None:
    problem = pure_grader("bfcl").problem(expecting(expected, tools=(BOOK,)))
    assert problem is not None
    assert says in problem


def test_equal_calls_have_one_canonical_form_whatever_their_format_and_order() -> None:
    second: Call = ("hotel.list", {})
    forms = {
        graded(EXPECTED, RIGHT, second).canonical,
        graded(EXPECTED, second, ("book", {"nights": 2.0, "city": "Paris"})).canonical,
        graded(EXPECTED, answer="[hotel.list(), book(city='Paris', nights=2)]").canonical,
    }
    assert len(forms) == 1
    assert graded(EXPECTED, RIGHT).canonical not in forms


def test_many_calls_are_graded_in_bounded_time() -> None:
    grade = graded(EXPECTED, *([RIGHT] * 20_000))
    assert (grade.correct, grade.reason) == (False, "duplicate call of 'book'")


def test_surrogates_are_storable() -> None:
    answer = json.dumps([{"name": "book", "arguments": {"city": "\ud800", "nights": 2}}])
    grade = graded(EXPECTED, answer=answer)
    assert not grade.correct
    (grade.reason + grade.canonical).encode()
