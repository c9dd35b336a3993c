"""BFCL's rows as they are: reference answers are all right, corrupted ones all wrong, in every format."""

from collections.abc import Sequence
from typing import Any

import pytest

from quantgate.pipelines.domain.suites.suite import Item
from tests.support.grading.calls import WRITERS, Call, as_json
from tests.support.grading.items import expecting, pure_grader
from tests.support.real_rows import real_rows

TOO_LITTLE = "I cannot do that with the tools I have."


def _item(row: dict[str, Any]) -> Item:
    return expecting(row["expected"], tools=tuple(row["tools"]), id=row["id"])


def _rows(*, calling: bool) -> list[dict[str, Any]]:
    return [row for row in real_rows("bfcl") if bool(row["expected"]) is calling]


def _reference(row: dict[str, Any]) -> list[Call]:
    """The first allowed value of every argument; "" leaves it out where the tool does not require it."""
    required = {tool["name"]: tool["parameters"].get("required", []) for tool in row["tools"]}
    return [
        (name, _chosen(allowed, required.get(name, [])))
        for call in row["expected"]
        for name, allowed in call.items()
    ]


def _chosen(allowed: dict[str, Any], required: Sequence[str]) -> dict[str, Any]:
    chosen = {}
    for name, values in allowed.items():
        usable = [one for one in values if one != "" or name not in required] if values else [[]]
        if usable and usable[0] != "":
            chosen[name] = _written(usable[0])
        elif name in required:
            chosen[name] = ""
    return chosen


def _written(value: Any) -> Any:
    """An allowed object has lists of allowed values of its own."""
    if isinstance(value, dict):
        return {
            key: _written(one) if not isinstance(one, list) else _written(one[0] if one else [])
            for key, one in value.items()
            if one == [] or not isinstance(one, list) or one[0] != ""
        }
    if isinstance(value, list):
        return [_written(one) for one in value]
    return value


def _wrong(row: dict[str, Any], calls: Sequence[Call], form: str = "auto") -> bool:
    grade = pure_grader("bfcl", format=form).grade(as_json(calls), _item(row))
    return not grade.correct and grade.score == 0.0


def test_every_row_can_be_graded() -> None:
    problems = {
        row["id"]: problem
        for row in real_rows("bfcl")
        if (problem := pure_grader("bfcl").problem(_item(row)))
    }
    assert problems == {}


@pytest.mark.parametrize("layout", WRITERS)
@pytest.mark.parametrize("detected", [True, False], ids=["auto", "named"])
def test_reference_answers_are_right_in_every_format(layout: str, detected: bool) -> None:
    form, write = WRITERS[layout]
    grader = pure_grader("bfcl", format="auto" if detected else form)
    failed = {}
    for row in _rows(calling=True):
        grade = grader.grade(write(_reference(row)), _item(row))
        if not grade.correct or grade.score != 1.0:
            failed[row["id"]] = grade.reason
    assert failed == {}


def test_a_plain_answer_is_right_where_no_tool_may_be_called_and_wrong_elsewhere() -> None:
    grader = pure_grader("bfcl")
    right = {row["id"]: grader.grade(TOO_LITTLE, _item(row)).correct for row in real_rows("bfcl")}
    assert right == {row["id"]: not row["expected"] for row in real_rows("bfcl")}


def test_a_call_where_no_tool_may_be_called_is_wrong() -> None:
    rows = _rows(calling=False)
    assert len(rows) == 240
    assert all(_wrong(row, [(row["tools"][0]["name"], {})]) for row in rows)


def test_another_offered_tool_is_wrong() -> None:
    rows = [row for row in _rows(calling=True) if len(row["tools"]) > 1]
    for row in rows:
        calls = _reference(row)
        other = next(tool["name"] for tool in row["tools"] if tool["name"] != calls[0][0])
        assert _wrong(row, [(other, calls[0][1]), *calls[1:]]), row["id"]
    assert len(rows) > 400


def test_a_tool_that_was_not_offered_is_wrong_and_said_so() -> None:
    for row in _rows(calling=True):
        calls = [("invented", arguments) for _, arguments in _reference(row)]
        grade = pure_grader("bfcl").grade(as_json(calls), _item(row))
        assert (grade.correct, grade.reason) == (False, "the tool 'invented' was not offered")


def test_an_argument_with_another_value_is_wrong() -> None:
    corrupted = 0
    for row in _rows(calling=True):
        (name, arguments), *others = _reference(row)
        for argument, value in arguments.items():
            changed = {**arguments, argument: _another(value)}
            assert _wrong(row, [(name, changed), *others]), (row["id"], argument)
            corrupted += 1
    assert corrupted > 3000


def _another(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return "nonsense"
    if isinstance(value, int | float):
        return value + 987654
    return f"{value} but not so" if isinstance(value, str) else ["nonsense", 987654]


def test_an_argument_of_another_type_is_wrong() -> None:
    """Numbers as texts and texts in lists: what a tool router would refuse."""
    for row in _rows(calling=True):
        (name, arguments), *others = _reference(row)
        for argument, value in arguments.items():
            changed = {**arguments, argument: str(value) if not isinstance(value, str) else [value]}
            if changed[argument] in row["expected"][0][name][argument]:
                continue
            assert _wrong(row, [(name, changed), *others]), (row["id"], argument)


def test_a_missing_required_argument_is_wrong() -> None:
    dropped = 0
    for row in _rows(calling=True):
        (name, arguments), *others = _reference(row)
        tool = next(tool for tool in row["tools"] if tool["name"] == name)
        for argument in tool["parameters"].get("required", []):
            kept = {key: value for key, value in arguments.items() if key != argument}
            assert _wrong(row, [(name, kept), *others]), (row["id"], argument)
            dropped += 1
    assert dropped > 2000


def test_an_argument_that_nobody_expects_is_wrong() -> None:
    for row in _rows(calling=True):
        (name, arguments), *others = _reference(row)
        assert _wrong(row, [(name, {**arguments, "unasked": 1}), *others])


def test_an_extra_call_is_wrong() -> None:
    for row in _rows(calling=True):
        calls = _reference(row)
        assert _wrong(row, [*calls, calls[0]]), row["id"]


def test_a_missing_call_is_wrong() -> None:
    rows = [row for row in _rows(calling=True) if len(row["expected"]) > 1]
    assert len(rows) == 440
    assert all(_wrong(row, _reference(row)[1:]) for row in rows)


def test_parallel_calls_are_right_in_any_order() -> None:
    for row in (row for row in _rows(calling=True) if len(row["expected"]) > 1):
        answer = as_json(list(reversed(_reference(row))))
        assert pure_grader("bfcl").grade(answer, _item(row)).correct, row["id"]
