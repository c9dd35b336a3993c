"""Rows as sources hold them: logged calls, shared chats, nulls, parts, tools; and what is no row."""

import pytest

from quantgate.calibration.sources.rows import RowReader, SourceRow, content_of
from quantgate.calibration.specs.corpus import Fields, Rendering
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import JsonObject, JsonValue, digest_of
from quantgate.pipelines.specs.chat_messages import BrokenRowError, ForeignContentError

TOOL: JsonObject = {
    "type": "function",
    "function": {"name": "find", "parameters": {"b": 1, "a": 2}},
}


NO_FIELDS = Fields()


def read(row: JsonObject, fields: Fields = NO_FIELDS, rendering: Rendering = "chat") -> SourceRow:
    return RowReader(fields, (), rendering).read(row)


def test_a_conversation_with_nulls_and_foreign_keys_is_read() -> None:
    row = read(
        {
            "id": 7,
            "tools": None,
            "messages": [
                {"role": "user", "content": "hi", "name": None, "timestamp": 3},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "find", "arguments": '{"x": 1}'},
                            "index": None,
                        }
                    ],
                },
                {"role": "tool", "content": "found", "tool_call_id": "c1"},
            ],
        }
    )
    assert row.identifier == "7"
    assert row.messages[0] == {"role": "user", "content": "hi"}
    assert row.messages[1]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "find", "arguments": {"x": 1}}}
    ]
    assert row.messages[2] == {"role": "tool", "content": "found", "tool_call_id": "c1"}


@pytest.mark.parametrize("as_text", [False, True])
def test_a_logged_call_is_its_question_and_its_first_answer(as_text: bool) -> None:
    import json

    request: JsonObject = {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [TOOL],
    }
    response: JsonObject = {"choices": [{"message": {"role": "assistant", "content": "yes"}}]}
    row = read(
        {
            "request": json.dumps(request) if as_text else request,
            "response": json.dumps(response) if as_text else response,
        }
    )
    assert [m["content"] for m in row.messages] == ["hi", "yes"]
    assert row.tools == [TOOL]


def test_a_logged_call_without_an_answer_is_its_question() -> None:
    row = read({"request": {"messages": [{"role": "user", "content": "hi"}]}, "response": None})
    assert [m["role"] for m in row.messages] == ["user"]


def test_shared_chats_and_prompt_columns_are_conversations() -> None:
    shared = read(
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}
    )
    mapped = read({"q": "a", "r": "b"}, Fields(prompt="q", response="r"))
    assert shared.messages == mapped.messages
    assert [m["role"] for m in shared.messages] == ["user", "assistant"]


def test_parts_of_text_are_joined_and_images_are_no_text() -> None:
    parts: list[JsonValue] = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert read({"messages": [{"role": "user", "content": parts}]}).contents == ["a\nb"]
    with pytest.raises(ForeignContentError):
        read({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})


def test_raw_rendering_leaves_the_contents_alone() -> None:
    messages: list[JsonValue] = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
    ]
    row = read({"messages": messages, "tools": [TOOL]}, rendering="raw")
    assert (row.text, row.messages, row.tools) == ("a\nb", [], [])


def test_a_mapped_column_is_the_only_content() -> None:
    row = read({"text": "ignored", "body": {"said": "kept"}}, Fields(text="body.said"))
    assert row.text == "kept"


def test_columns_that_no_row_has_are_remembered() -> None:
    reader = RowReader(Fields(text="body", domain="topic"), (), "chat")
    reader.read({"body": "a", "topik": "b"})
    assert reader.unseen == {"topic"}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"messages": 3}, "messages are no list"),
        ({"messages": [3]}, "message 1 is no object"),
        ({"messages": [{"role": "wizard", "content": ""}]}, "role 'wizard'"),
        ({"messages": [{"role": "user", "content": {"a": 1}}]}, "no text but an object"),
        ({"messages": [{"role": "user", "content": "", "tool_calls": [1]}]}, "tool_calls"),
        ({"text": 3}, "text is no text but a number"),
        ({"text": "a", "messages": [{"role": "user", "content": "b"}]}, "both messages and text"),
        ({"text": "a", "tools": "{"}, "tools is not JSON"),
        ({"text": "a", "tools": ["find"]}, "tools are no list of objects"),
    ],
)
def test_a_broken_row_says_what_is_wrong(row: JsonObject, problem: str) -> None:
    with pytest.raises(BrokenRowError, match=problem):
        read(row)


def test_the_content_of_a_row_is_that_of_its_sequence() -> None:
    row = read(
        {
            "messages": [
                {"role": "user", "content": "a", "name": "Ann"},
                {"role": "tool", "content": "b"},
            ],
            "tools": [TOOL],
            "language": "en",
        }
    )
    assert row.content() == content_of(row.sequence(source="s"))


def test_content_of_plain_conversations_is_what_it_always_was() -> None:
    sequence = CorpusSequence(id="x", messages=(Message(role="user", content="é"),), source="s")
    assert content_of(sequence) == ["", ["user", "é"]]
    # sha256 of '["",["user","é"]]' in UTF-8, by sha256sum
    assert digest_of(content_of(sequence)) == DIGEST_OF_E


DIGEST_OF_E = "b00af71a30466c6d4774c277196796a31c5dba838ef9d7f109e2d0b2d7abd8a7"
