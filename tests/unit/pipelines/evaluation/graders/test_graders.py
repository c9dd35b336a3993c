"""Graders judge meaning, say what differs first, and survive anything a model can say."""

import json

import pytest

from quantgate.pipelines.domain.run import Answer, Grade
from quantgate.pipelines.domain.suites.suite import GraderSpec
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.evaluation.graders.table import grade_answer, grader_for
from tests.support.grading.items import expecting, pure_grader

TOOL_CALL = pure_grader("tool_call")
EXACT = pure_grader("exact")
EXPECTED: JsonValue = {
    "name": "create_ticket",
    "arguments": {
        "customer": "Ada",
        "priority": 1,
        "urgent": True,
        "order": {"lines": [{"sku": "A-1", "count": 2}, {"sku": "A-7", "count": 1}]},
    },
}


def call(**changes: JsonValue) -> str:
    arguments = dict(EXPECTED["arguments"]) | changes  # type: ignore[index,arg-type,call-overload]
    return json.dumps({"name": "create_ticket", "arguments": arguments})


def grade(text: str) -> Grade:
    return TOOL_CALL.grade(text, expecting(EXPECTED))


@pytest.mark.parametrize(
    "text",
    [
        call(),
        f"\n  {call()}  \t\n",
        f"```json\n{call()}\n```",
        f"```\n{call()}\n```",
        json.dumps(json.loads(call()), indent=4, sort_keys=True),
        call(priority=1.0),
        call().replace('"priority": 1', '"priority": 1e0'),
        call().replace("Ada", "\\u0041da"),
    ],
    ids=["plain", "whitespace", "json fence", "bare fence", "indented", "1.0", "1e0", "escape"],
)
def test_the_expected_call_is_right_however_it_is_laid_out(text: str) -> None:
    judged = grade(text)

    assert judged.correct, judged.reason
    assert judged.grader == "tool_call@2"
    assert judged.canonical == grade(call()).canonical


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"name": "close_ticket", "arguments": {}}', "wrong tool: 'close_ticket' instead of"),
        ('{"name": "create_ticket", "arguments": {}}', "missing argument $.customer"),
        (call(note="hi"), "extra argument $.note"),
        (call(priority=2), "wrong value at $.priority: 2 instead of 1"),
        (call(priority="1"), 'wrong type at $.priority: string "1" instead of number 1'),
        (call(priority=True), "wrong type at $.priority: boolean true instead of number 1"),
        (call(urgent=1), "wrong type at $.urgent: number 1 instead of boolean true"),
        (call(urgent=None), "wrong type at $.urgent: null null instead of boolean true"),
        (call(customer="ada"), 'wrong value at $.customer: "ada" instead of "Ada"'),
        (call(order={"lines": []}), "wrong length at $.order.lines: 0 elements instead of 2"),
        (
            call().replace("A-7", "A-1"),
            'wrong value at $.order.lines[1].sku: "A-1" instead of "A-7"',
        ),
        (call().replace('"sku": "A-7", ', ""), "missing argument $.order.lines[1].sku"),
        (call(**{"odd key": 1}), 'extra argument $["odd key"]'),
    ],
)
def test_a_wrong_call_is_wrong_and_the_reason_names_what_differs_first(
    text: str, reason: str
) -> None:
    judged = grade(text)

    assert not judged.correct
    assert judged.reason.startswith(reason)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the answer is empty"),
        ("   \n", "the answer is empty"),
        ("Sure! " + call(), "not JSON"),
        (call() + " Anything else?", "text after the JSON value: 'Anything else?'"),
        (call() + call(), "text after the JSON value"),
        (f"```json\n{call()}\n```\n```json\n{call()}\n```", "text after the JSON value"),
        (f"Here:\n```json\n{call()}\n```", "not JSON"),
        (call()[:-1], "not JSON"),
        (call().replace('"', "'"), "not JSON"),
        (call().replace("}", ",}", 1), "not JSON"),
        (call().replace('"priority": 1', '"priority": NaN'), "not strict JSON: NaN"),
        (call().replace('"priority": 1', '"priority": -Infinity'), "not strict JSON: -Infinity"),
        (call().replace('"priority": 1', '"priority": 1e999'), "not strict JSON: number 1e999"),
        (call().replace('"priority"', '"customer"'), "not strict JSON: key 'customer' is given"),
        (f"[{call()}]", "not a JSON object"),
        ("null", "not a JSON object"),
        ('{"name": "create_ticket"}', "the object has no 'arguments'"),
        ('{"arguments": {}}', "the object has no 'name'"),
        ('{"name": "a", "arguments": {}, "id": 1}', "unexpected key 'id'"),
        ('{"name": 7, "arguments": {}}', "'name' is not a string"),
        ('{"name": "create_ticket", "arguments": "{}"}', "'arguments' is not an object"),
    ],
)
def test_what_a_strict_tool_router_would_refuse_is_wrong(text: str, reason: str) -> None:
    judged = grade(text)

    assert not judged.correct
    assert judged.reason.startswith(reason)


def test_any_of_several_accepted_calls_is_right() -> None:
    accepted: JsonValue = [
        {"name": "refund", "arguments": {"order": 1}},
        {"name": "exchange", "arguments": {"order": 1}},
    ]

    assert TOOL_CALL.grade(
        '{"name":"exchange","arguments":{"order":1}}', expecting(accepted)
    ).correct
    wrong = TOOL_CALL.grade('{"name":"exchange","arguments":{"order":2}}', expecting(accepted))
    assert not wrong.correct
    assert wrong.reason == ("wrong value at $.order: 2 instead of 1 (nearest of 2 accepted calls)")


def test_equal_wrong_calls_have_equal_canonicals_and_different_ones_do_not() -> None:
    assert grade(call(priority=2)).canonical == grade(call(priority=2.0)).canonical
    assert grade(call(priority=2)).canonical != grade(call(priority="2")).canonical
    assert grade(call(priority=1)).canonical != grade(call(priority=True)).canonical
    assert grade(" no call ").canonical == "no call"


def test_large_integers_are_compared_exactly() -> None:
    expected: JsonValue = {"name": "pay", "arguments": {"cents": 9007199254740993}}

    assert TOOL_CALL.grade(
        '{"name":"pay","arguments":{"cents":9007199254740993}}', expecting(expected)
    ).correct
    assert not TOOL_CALL.grade(
        '{"name":"pay","arguments":{"cents":9007199254740992}}', expecting(expected)
    ).correct
    assert not TOOL_CALL.grade(
        '{"name":"pay","arguments":{"cents":9007199254740993.0}}', expecting(expected)
    ).correct


HOSTILE = [
    "\x00",
    "\ud800",
    '{"name":"\ud800","arguments":{"\udfff":"\ud800"}}',
    '{"name":"\\ud800","arguments":{"\\udfff":"\\ud800"}}',
    '{"name":"create_ticket","arguments":{"\\u0000":"\\u0000"}}',
    "[" * 200_000,
    '{"a":' * 200_000,
    '{"name":"create_ticket","arguments":' * 3_000,
    '{"name":"create_ticket","arguments":{"a":' + "[" * 900 + "]" * 900 + "}}",
    '{"name":"create_ticket","arguments":{"a":' + "9" * 5_000 + "}}",
    '{"name":"create_ticket","arguments":{"a":-' + "9" * 4_000 + "}}",
    '{"name":"create_ticket","arguments":{"a":' + "9" * 4_000 + ".5e400}}",
    '{"name":"create_ticket","arguments":{"a":1e-999}}',
    '{"name":"create_ticket","arguments":{"a":-0.0}}',
    '{"name":"create_ticket","arguments":{' + ",".join(f'"k{i}":{i}' for i in range(5_000)) + "}}",
    "`" * 10_000,
    "```json\n" * 2_000,
    "```json",
    "```json\n```",
    call().replace(",", "\ufeff,"),
    "\u202e{}\u2066",
    "{}" * 5_000,
    '"' * 9_999,
    "\\" * 9_999,
    "\r\n\v\f\x1c\x85\u2028",
    "a" * 1_000_000,
]


@pytest.mark.parametrize("kind", ["tool_call", "exact"])
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_answers_are_graded_wrong_the_same_way_each_time_and_can_be_stored(
    kind: str, text: str
) -> None:
    expected: JsonValue = EXPECTED if kind == "tool_call" else "Ada"

    judged = pure_grader(kind).grade(text, expecting(expected))

    assert not judged.correct
    assert judged == pure_grader(kind).grade(text, expecting(expected))
    (judged.reason + judged.canonical).encode("utf-8")
    assert 0 < len(judged.reason) < 400


def test_nesting_is_judged_the_same_from_a_deep_call_stack() -> None:
    text = '{"name":"create_ticket","arguments":{"a":' + "[" * 98 + "]" * 98 + "}}"
    too_deep = text.replace("[[", "[[[").replace("]]", "]]]")

    def from_depth(depth: int, answer: str) -> Grade:
        return grade(answer) if depth == 0 else from_depth(depth - 1, answer)

    assert from_depth(300, text) == grade(text)
    assert from_depth(300, too_deep) == grade(too_deep)
    assert grade(too_deep).reason == "nested deeper than 100 levels"


def test_exact_ignores_unicode_form_and_outer_whitespace_but_not_case() -> None:
    assert EXACT.grade("  Cafe\u0301\n", expecting("Caf\u00e9")).correct
    assert EXACT.grade("Café", expecting("Cafe\u0301 ")).canonical == "Café"
    judged = EXACT.grade("café", expecting("Café"))
    assert not judged.correct
    assert judged.reason == "'café' instead of 'Café'"
    assert judged.grader == "exact@2"


def test_exact_says_how_much_of_a_long_answer_it_left_out() -> None:
    assert "(40 more characters)" in EXACT.grade("x" * 100, expecting("y")).reason


def answer(text: str, finish_reason: str) -> Answer:
    return Answer(
        item_id="i-1",
        text=text,
        token_ids=(1,),
        finish_reason=finish_reason,  # type: ignore[arg-type]
        prompt_tokens=3,
    )


def test_an_answer_that_ended_in_an_error_is_wrong_even_with_the_right_text() -> None:
    graded = grade_answer(EXACT, answer("yes", "error"), expecting("yes"))

    assert not graded.grade.correct
    assert "error" in graded.grade.reason
    assert graded.answer.text == "yes"


def test_a_truncated_answer_is_graded_on_its_text_and_the_reason_says_so() -> None:
    right = grade_answer(EXACT, answer("yes", "length"), expecting("yes")).grade
    wrong = grade_answer(TOOL_CALL, answer(call()[:-5], "length"), expecting(EXPECTED)).grade

    assert right.correct
    assert "cut off at max_tokens" in right.reason
    assert not wrong.correct
    assert wrong.reason.startswith("not JSON")
    assert "cut off at max_tokens" in wrong.reason


def test_a_complete_answer_is_graded_as_the_grader_says() -> None:
    graded = grade_answer(EXACT, answer("yes", "stop"), expecting("yes"))

    assert graded.grade == EXACT.grade("yes", expecting("yes"))


@pytest.mark.parametrize(
    ("kind", "expected", "problem"),
    [
        ("tool_call", EXPECTED, None),
        ("tool_call", [EXPECTED, EXPECTED], None),
        ("tool_call", [], "the list of accepted calls is empty"),
        ("tool_call", "create_ticket", "not a JSON object"),
        ("tool_call", {"name": "a"}, "the object has no 'arguments'"),
        ("exact", "yes", None),
        ("exact", 7, "it is not a text"),
    ],
)
def test_expectations_that_nothing_can_meet_are_named(
    kind: str, expected: JsonValue, problem: str | None
) -> None:
    spec = GraderSpec(kind=kind)  # type: ignore[arg-type]

    assert grader_for(spec).problem(expecting(expected)) == problem
    if problem:
        assert problem in pure_grader(kind).grade(call(), expecting(expected)).reason
