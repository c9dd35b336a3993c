"""Conversations in suites: as OpenAI's API writes them; other formats are told what to write."""

import json
from pathlib import Path

import pytest

from quantgate.calibration.sources.rows import RowReader
from quantgate.calibration.specs.corpus import Fields
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.specs.chat_messages import with_open_arguments
from quantgate.pipelines.suites.load import load_suite

SUITE = "name: demo\nversion: 1\ngrader: exact\ndecode: {max_tokens: 8}\nslices: {a: {}}\n"
CALL: JsonObject = {
    "id": "c",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Ulm"}'},
}


def read(folder: Path, messages: JsonValue) -> tuple[Message, ...]:
    row = {"id": "1", "messages": messages, "expected": "12", "slices": ["a"]}
    (folder / "suite.yaml").write_text(SUITE)
    (folder / "items.jsonl").write_text(json.dumps(row) + "\n")
    return load_suite(folder).items[0].messages


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"role": "user", "content": None}, Message(role="user", content="")),
        (
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "input_text", "text": "b"}]},
            Message(role="user", content="a\nb"),
        ),
        ({"role": "user", "content": ["a", "b"]}, Message(role="user", content="a\nb")),
        ({"role": "developer", "content": "brief"}, Message(role="system", content="brief")),
        ({"role": "function", "name": "f", "content": "3"}, Message(role="tool", content="3", name="f")),
        (
            {"role": "assistant", "content": None, "refusal": None, "audio": None, "annotations": [],
             "tool_calls": [CALL]},
            Message(role="assistant", content="", tool_calls=(CALL,)),
        ),
        (
            {"role": "assistant", "content": "4", "reasoning_content": "2 and 2"},
            Message(role="assistant", content="4", reasoning_content="2 and 2"),
        ),
        (
            {"role": "assistant", "content": "4", "reasoning": "2 and 2"},
            Message(role="assistant", content="4", reasoning_content="2 and 2"),
        ),
        (
            {"role": "tool", "tool_call_id": "c", "content": "12"},
            Message(role="tool", content="12", tool_call_id="c"),
        ),
    ],
)  # fmt: skip
def test_a_suite_reads_a_message_as_its_api_writes_it_and_as_corpora_read_it(
    tmp_path: Path, written: JsonObject, message: Message
) -> None:
    assert read(tmp_path, [written]) == (message,)
    row = RowReader(Fields(), (), "chat").read({"messages": [written]})
    calls = tuple(
        call for plain in [with_open_arguments({"tool_calls": list(message.tool_calls)})]
        for call in plain["tool_calls"]  # type: ignore[union-attr]  # a list, as written above
    )  # fmt: skip
    corpus = row.sequence(source="s").messages[0]
    assert corpus.tool_calls == calls, (
        "corpora open arguments, so that both spellings are one content"
    )
    assert (corpus.role, corpus.content, corpus.name) == (
        message.role,
        message.content,
        message.name,
    )
    assert corpus.reasoning_content == message.reasoning_content


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([{"from": "human", "value": "hi"}], "write role 'user' and content"),
        ([{"from": "gpt", "value": "hi"}], "write role 'assistant' and content"),
        ([{"role": "human", "content": "hi"}], "'human' is no role here: write 'user'"),
        ([{"role": "gpt", "content": "hi"}], "'gpt' is no role here: write 'assistant'"),
        ([{"role": "wizard", "content": "hi"}], "'wizard' is no role; roles are system, user"),
        ('[{"role": "user", "content": "hi"}]', "write the list itself, without quotes"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
            "a part that is no text (image_url): only text can be asked",
        ),
        ([{"role": "user", "content": {"text": "hi"}}], "is no text but an object"),
        ([{"role": "user", "content": 12}], "is no text but a number"),
        ([{"role": "assistant", "content": "", "function_call": {"name": "f"}}], "write `tool_calls`"),
        ([{"role": "user", "content": "", "contnet": "hi"}], "did you mean 'content'?"),
    ],
)  # fmt: skip
def test_what_a_suite_cannot_take_says_what_to_write(
    tmp_path: Path, messages: JsonValue, sentence: str
) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, messages)
    assert sentence in str(refused.value)
    assert "line 1: " in str(refused.value)


def test_messages_of_a_table_may_be_json_text_where_the_suite_says_so(tmp_path: Path) -> None:
    messages = json.dumps([{"role": "developer", "content": [{"type": "text", "text": "hi"}]}])
    row = {"id": "1", "messages": messages, "expected": "12", "slices": ["a"]}
    (tmp_path / "suite.yaml").write_text(
        SUITE + "items: {path: items.jsonl, json_columns: [messages]}\n"
    )
    (tmp_path / "items.jsonl").write_text(json.dumps(row) + "\n")
    assert load_suite(tmp_path).items[0].messages == (Message(role="system", content="hi"),)


def test_thoughts_are_part_of_what_a_conversation_is(tmp_path: Path) -> None:
    turn: JsonObject = {"role": "assistant", "content": "4", "reasoning_content": "2 and 2"}
    row = RowReader(Fields(), (), "chat").read({"messages": [turn]})
    assert row.content() == ["", ["assistant", "4", {"reasoning_content": "2 and 2"}]]
