"""Arguments go back as a client's parser leaves them, whatever form the call was written in."""

import json

import pytest

from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.evaluation.graders.calls.formats import read_calls
from quantgate.pipelines.evaluation.graders.calls.read import Call, Calls
from quantgate.pipelines.evaluation.loops.written_calls import written_arguments

OBJECT = '{"name": "pay", "arguments": {"amount": 12.0, "many": 1e2, "to": {"share": 3.0}}}'
WRITTEN: JsonObject = {"amount": 12.0, "many": 100.0, "to": {"share": 3.0}}


@pytest.mark.parametrize(
    "text",
    [
        OBJECT,
        f"Let me pay.\n<tool_call>\n{OBJECT}\n</tool_call>",
        f"[TOOL_CALLS] [{OBJECT}]",
        OBJECT.replace("arguments", "parameters"),
        json.dumps(
            {
                "tool_calls": [
                    {
                        "id": "x",
                        "type": "function",
                        "function": {
                            "name": "pay",
                            "arguments": '{"amount": 12.0, "many": 1e2, "to": {"share": 3.0}}',
                        },
                    }
                ]
            }
        ),
    ],
)
def test_numbers_keep_the_kind_they_were_written_in(text: str) -> None:
    read = read_calls(text, "auto", {})
    assert isinstance(read, Calls)
    (call,) = read.calls
    assert json.dumps(call.arguments) != json.dumps(WRITTEN)
    assert json.dumps(written_arguments(text, call)) == json.dumps(WRITTEN)


def test_of_several_calls_each_has_its_own() -> None:
    text = OBJECT + OBJECT.replace("12.0", "13.0").replace("1e2", "7")
    calls = [
        Call(name="pay", arguments={"amount": 13, "many": 7, "to": {"share": 3}}),
        Call(name="pay", arguments={"amount": 12, "many": 100, "to": {"share": 3}}),
    ]
    assert [written_arguments(text, one)["amount"] for one in calls] == [13.0, 12.0]


@pytest.mark.parametrize("text", ["pay(amount=12.0)", "{" * 2000, '{"a":' * 100_000, ""])
def test_what_is_no_json_goes_back_as_it_was_read(text: str) -> None:
    call = Call(name="pay", arguments={"amount": 12})
    assert written_arguments(text, call) == {"amount": 12}
