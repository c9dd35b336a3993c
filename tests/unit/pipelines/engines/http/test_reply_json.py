import json
import math

import pytest

from quantgate.pipelines.engines.http.reply_json import MOST_LEVELS, message_of, parsed_reply


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'{"a": "\ud83d"}', "\ufffd"),
        (rb'{"a": "\ude00 x"}', "\ufffd x"),
        (rb'{"a": "\ud83d\ude00"}', "\U0001f600"),
        (b'{"a": "cut \xf0\x9f\x98"}', "cut \ufffd"),
        (b'\xef\xbb\xbf{"a": "marked"}', "marked"),
    ],
)
def test_half_a_character_is_replaced_where_it_comes_in(body: bytes, value: str) -> None:
    assert parsed_reply(body) == {"a": value}
    value.encode()  # what was half could not be written


def test_halves_in_keys_and_lists_are_replaced_too() -> None:
    assert parsed_reply(rb'{"\ud83d": ["\udc00", {"b": "\ud800"}]}') == {
        "\ufffd": ["\ufffd", {"b": "\ufffd"}]
    }


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_two_hundred_thousand_brackets_are_refused(opening: str) -> None:
    with pytest.raises(ValueError, match="nested more than"):
        parsed_reply((opening * 200_000).encode())


def test_brackets_in_texts_and_beside_each_other_are_no_depth() -> None:
    told = {"text": "[{" * 5_000 + '"\\', "rows": [[1]] * 500}
    assert parsed_reply(json.dumps(told).encode()) == told
    deep = "[" * MOST_LEVELS + "]" * MOST_LEVELS
    assert parsed_reply(deep.encode()) is not None


def test_an_integer_of_ten_thousand_digits_is_no_json_of_ours() -> None:
    with pytest.raises(ValueError, match="digits"):
        parsed_reply(b"[" + b"1" * 10_000 + b"]")


def test_what_is_no_number_is_read_as_such() -> None:
    value = parsed_reply(b"[NaN]")
    assert isinstance(value, list) and isinstance(value[0], float) and math.isnan(value[0])


def test_this_processs_secrets_do_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_API_KEY", 'q"uite-s3cret')
    body = json.dumps({"model": 'q"uite-s3cret', "text": 'key=q"uite-s3cret'}).encode()
    assert parsed_reply(body) == {"model": "***", "text": "key=***"}


def test_of_a_page_only_the_words_are_told() -> None:
    page = b"<!doctype html><html><head><title>502</title></head><h1>Bad   Gateway</h1></html>"
    assert message_of(page, "x") == "502 Bad Gateway"
    assert message_of(b"[" * 200_000, "x").startswith("[[[")
