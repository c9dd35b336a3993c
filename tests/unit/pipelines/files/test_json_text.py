"""JSON that people wrote: read strictly, within bounds, and what is wrong has its line."""

import json

import pytest

from quantgate.pipelines.files.json_text import (
    DEEPEST,
    JsonTextError,
    parse_json,
)


@pytest.mark.parametrize(
    "text",
    ['{"a": [1, -2.5e3, null, true, "é\\n\\ud83d\\ude00"]}', '"x"', "[]", " 1 ", "12345678901234567890"],
)  # fmt: skip
def test_what_is_json_is_read_as_python_reads_it(text: str) -> None:
    assert parse_json(text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("", 1, "is empty"),
        ('{"a": 1,\n "b": }', 2, "expecting value (column 7)"),
        ('{"a": 1} x', 1, "extra data (column 10)"),
        ('{"a": 1,\n "b": 2,\n "a": 3}', 3, "key 'a' stands here twice"),
        ('{"x": [{"k": ":{", \n"y": {"k": 1,\n\n "k": 2}}]}', 4, "key 'k' stands here twice"),
        ('{"\\u0061": 1, "a": 2}', 1, "key 'a' stands here twice"),
        ('{"a":\n NaN}', 2, "NaN is no number that a program can hold"),
        ("[-Infinity]", 1, "-Infinity is no number that a program can hold"),
        ('{"a": 1,\n"b": 1e999}', 2, "1e999 is no number that a program can hold"),
        ("1" * 400, 1, "is no number that a program can hold"),
        ("1" * 5000, 1, "is no number that a program can hold"),
        ('"\\ud800"', 1, "half a character (\\ud800 alone)"),
        ('{"\\udc00x": 1}', 1, "half a character"),
        ('["a\\u0000b"]', 1, "a null character"),
        ('"a\0b"', 1, "control character"),
        ("[" * 100_000, 1, "nested deeper than 100 levels"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, 1, "nested deeper than 100 levels"),
    ],
)
def test_what_is_not_json_says_why_and_where(text: str, line: int, sentence: str) -> None:
    with pytest.raises(JsonTextError) as refused:
        parse_json(text)
    assert sentence in str(refused.value)
    assert refused.value.line == line


def test_brackets_in_texts_are_no_levels() -> None:
    assert parse_json(json.dumps(["[" * 1000, '"{' * 1000])) == ["[" * 1000, '"{' * 1000]
    deepest = "[" * DEEPEST + "]" * DEEPEST
    assert parse_json(deepest) == json.loads(deepest)


def test_a_long_text_is_read_in_no_time() -> None:
    text = json.dumps({"a": "\\" * 1_000_000, "b": ["[" * 200]})
    assert parse_json(text) == json.loads(text)
