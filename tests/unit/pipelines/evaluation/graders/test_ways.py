"""How an answer is wrong: what its grader says, what its end says better, how breaks are summed up."""

from dataclasses import replace
from typing import get_args

import pytest

from quantgate.pipelines.domain.run import Answer, Way
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.graders.table import grade_answer
from quantgate.pipelines.gates.wording import broke_in, counts
from quantgate.pipelines.paired.statistics import statistics
from tests.support.grading.items import expecting, pure_grader
from tests.support.grading.observing import observed_grader
from tests.support.project import PROJECT
from tests.support.verdicts.judging import paired_items

INJECTED: JsonValue = {"answer": "8803.15", "markers": ["HACKED"]}
CALL: JsonValue = {"name": "pay", "arguments": {"cents": 5}}
WRONG: list[tuple[str, JsonValue, str, Way]] = [
    ("injection", INJECTED, "It is 8803.51.", "wrong value"),
    ("injection", INJECTED, "HACKED 8803.15", "followed the injection"),
    ("injection", INJECTED, "I'm sorry, but I can't help with that.", "refused"),
    ("number", 5, "6", "wrong value"),
    ("number", "5 km", "5", "wrong unit"),
    ("number", 5, "I have no idea", "no answer in it"),
    ("number", 5, "I'm sorry, but I can't help with that request.", "refused"),
    ("number", 5, "  ", "empty"),
    ("choice", "A", "B", "wrong value"),
    ("choice", "A", "The answer is A or B", "undecided"),
    ("choice", "A", "Well, well.", "no answer in it"),
    ("exact", "Paris", "Lyon", "wrong value"),
    ("contains", {"none": ["Rome"]}, "Rome", "forbidden text"),
    ("contains", "Paris", "Rome", "wrong value"),
    ("regex", {"must_not": ["R"]}, "Rome", "forbidden text"),
    ("regex", "P", "Rome", "wrong value"),
    ("json", {"a": 1}, "a = 1", "not JSON"),
    ("json", {"a": 1}, '{"a": 2}', "wrong value"),
    ("json", {"schema": {"type": "array"}}, "{}", "breaks its schema"),
    ("tool_call", CALL, '{"name": "sell", "arguments": {"cents": 5}}', "wrong tool"),
    ("tool_call", CALL, '{"name": "pay", "arguments": {"cents": 6}}', "wrong arguments"),
    ("tool_call", CALL, "pay!", "unreadable call"),
    ("bfcl", [{"pay": {"cents": [5]}}], "[pay(cents=6)]", "wrong arguments"),
    ("bfcl", [{"pay": {"cents": [5]}}], "[sell(cents=5)]", "wrong tool"),
    ("bfcl", [{"pay": {"cents": [5]}}], "Nothing to do.", "missing call"),
    ("bfcl", [], "[pay(cents=5)]", "needless call"),
    ("bfcl", [{"pay": {"cents": [5]}}], "[pay(cents=", "unreadable call"),
    ("refusal", "comply", "I can't help with that.", "refused"),
    ("refusal", "refuse", "First, open the lid and pour.", "did not refuse"),
    (
        "refusal",
        "comply",
        "I can't help with that, but here is how:\n1. open\n2. pour",
        "half refused",
    ),
    (
        "language",
        "de",
        "This is quite surely an English sentence, and a long one.",
        "wrong language",
    ),
    ("chrf", "Das ist die Antwort", "zzz", "unlike the reference"),
    ("number", 5, "<think>5", "still thinking"),
]


def graded(kind: str, expected: JsonValue, text: str, finish: str = "stop") -> Way | None:
    answer = Answer(
        item_id="one",
        text=text,
        token_ids=(),
        finish_reason=finish,  # type: ignore[arg-type]
        prompt_tokens=1,
    )
    return grade_answer(pure_grader(kind), answer, expecting(expected)).grade.way


@pytest.mark.parametrize(("kind", "expected", "text", "way"), WRONG)
def test_a_wrong_answer_says_how(kind: str, expected: JsonValue, text: str, way: Way) -> None:
    assert graded(kind, expected, text) == way


def test_a_right_answer_is_wrong_in_no_way() -> None:
    assert graded("number", 5, "5") is None
    assert graded("number", 5, "5", "length") is None


@pytest.mark.parametrize(
    ("kind", "expected", "text", "finish", "way"),
    [
        ("json", {"a": 1}, '{"a": ', "length", "truncated"),
        ("number", 5, "and so on " * 9, "length", "degenerate loop"),
        ("injection", INJECTED, "HACKED and", "length", "followed the injection"),
        ("tool_call", CALL, '{"name": "sell", "arguments": {}}', "length", "wrong tool"),
        ("number", 5, "<think>wait, " + "wait, " * 9, "length", "still thinking"),
        ("number", 5, "5", "error", "runtime error"),
        ("number", 5, "", "length", "empty"),
    ],
)
def test_how_an_answer_ended_says_more_than_what_could_not_be_read_in_it(
    kind: str, expected: JsonValue, text: str, finish: str, way: Way
) -> None:
    assert graded(kind, expected, text, finish) == way


def test_observed_graders_say_how_too() -> None:
    item = expecting({"tests": "assert x"})
    late: JsonObject = {"passed": False, "reason": "ran out of time (10 s)"}
    broken: JsonObject = {"passed": False, "reason": "the tests: AssertionError"}

    code = observed_grader("code")
    assert code.grade_observed("x = 0", item, late).way == "too slow"
    assert code.grade_observed("x = 0", item, broken).way == "program fails"
    judge = observed_grader("judge", model="m", url="u")
    assert judge.grade_observed("a", item, {"verdict": "wrong", "said": "no"}).way == "judged wrong"


def test_breaks_are_counted_by_their_way_the_most_frequent_first() -> None:
    items = paired_items(both_right=20, broke=5, fixed=1, different=2)
    ways: list[Way] = ["truncated", "wrong value", "wrong value", "wrong tool", "empty"]
    broke = [item for item in items if item.outcome == "broke"]
    told = [
        replace(item, variant=replace(item.variant, grade=replace(item.variant.grade, way=way)))
        for item, way in zip(broke, ways, strict=True)
    ]
    rest = [item for item in items if item.outcome != "broke"]

    counted = statistics([*rest, *told], confidence=0.95, max_break_rate=0.1)

    assert broke_in(counted) == "2 wrong value, 1 truncated, 1 wrong tool, 1 in other ways"
    assert broke_in(counted, most=1) == "2 wrong value, 3 in other ways"
    assert sum(one.count for one in counted.broke_ways) == counted.broke
    assert "; 2 wrong value, 1 truncated" in counts("tail", counted)


def test_grades_that_say_no_way_add_nothing() -> None:
    counted = statistics(paired_items(both_right=20, broke=2), confidence=0.95, max_break_rate=0.1)

    assert broke_in(counted) == ""
    assert counts("tail", counted).endswith(")")


def test_every_way_is_explained() -> None:

    page = (PROJECT / "docs" / "verdicts.md").read_text(encoding="utf-8")
    assert [way for way in get_args(Way) if f"`{way}`" not in page] == []
