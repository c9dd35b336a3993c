from typing import Any

import pytest

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.openai.answers import Completions
from quantgate.pipelines.engines.requests import Prompt

PROMPT = Prompt(item_id="one", token_ids=(5, 6, 7))


def answer(engine: str = "other", prompts: Any = "ids", **patch: Any) -> Answer:
    """The answer of a reply that is well but for the patch."""
    reply = {
        "model": "served",
        "choices": [{"text": "yes", "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
    server = Server(name="s", engine=engine, formats=(Format.GGUF,), prompts=prompts, version="1")
    asking = Completions(
        server=server,
        served_name="served",
        decode=DecodeSettings(max_tokens=8),
        stop_token_ids=(2,),
    )
    return asking.answer(PROMPT, reply | patch)


def message(**fields: Any) -> list[dict[str, Any]]:
    """One choice with a chat's message."""
    return [{"message": fields, "finish_reason": "stop"}]


@pytest.mark.parametrize(
    ("patch", "problem"),
    [
        ({"choices": [{"text": "a"}, {"text": "b"}]}, "2 choices where one was asked for"),
        ({"choices": []}, "no choices"),
        ({"choices": None}, "malformed"),
        ({"choices": [None]}, "malformed"),
        ({"choices": [{"finish_reason": "stop"}]}, "holds no text, and 2 tokens"),
        ({"choices": message(content=None)}, "holds no text, and 2 tokens"),
        ({"choices": message(content=["a"])}, "malformed"),
        ({"usage": None}, "its length is unknown"),
        ({"usage": {"prompt_tokens": 3}}, "its length is unknown"),
        ({"usage": {"prompt_tokens": 3, "completion_tokens": -1}}, "counts -1 tokens"),
        ({"usage": {"prompt_tokens": 3, "completion_tokens": 10**30}}, "at most 8 were asked for"),
        ({"usage": {"prompt_tokens": "three", "completion_tokens": 2}}, "malformed"),
        ({"usage": {"prompt_tokens": float("nan"), "completion_tokens": 2}}, "malformed"),
        ({"model": "another"}, "answered by another"),
        ({"model": ["served"]}, "malformed"),
    ],
)
def test_a_malformed_reply_is_one_message_about_its_item(patch: Any, problem: str) -> None:
    with pytest.raises(ServiceError, match=problem) as caught:
        answer(**patch)
    assert caught.value.where == "item one"
    assert len(caught.value.what) < 450


@pytest.mark.parametrize("ids", [[-1], [1 << 40], [10**300], [5] * 90])
def test_ids_that_no_vocabulary_has_and_far_too_many_are_refused(ids: list[int]) -> None:
    with pytest.raises(ServiceError, match="ids that no vocabulary has"):
        answer("llama-server", __verbose={"tokens": ids})


def test_ids_of_another_type_are_not_known() -> None:
    assert answer("llama-server", __verbose={"tokens": [True, 4]}).token_ids == ()


@pytest.mark.parametrize("tokens", [0, 1])
def test_nothing_said_is_an_empty_answer_where_only_an_end_was_generated(tokens: int) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": tokens}
    assert answer(choices=message(content=None), usage=usage).text == ""


def test_thoughts_without_an_answer_are_no_malformed_reply() -> None:
    said = answer(choices=message(content=None, reasoning_content="so it is"))
    assert (said.text, said.reasoning) == ("", "so it is")


@pytest.mark.parametrize("arguments", ["[" * 200_000, '{"a": ' + "9" * 9_000 + "}", "{half"])
def test_arguments_that_are_no_json_of_ours_stay_text(arguments: str) -> None:
    call = {"function": {"name": "track", "arguments": arguments}}
    assert arguments[:20] in answer(choices=message(tool_calls=[call])).text.replace("\\", "")


def test_half_an_emoji_in_arguments_can_be_written() -> None:
    call = {"function": {"name": "track", "arguments": '{"a": "\\ud83d"}'}}
    assert "\ufffd" in answer(choices=message(tool_calls=[call])).text
