"""What answers that a JSON schema binds can be, told byte by byte."""

import json
import re

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.binding.answers import Binder
from quantgate.pipelines.engines.binding.grammar import grammar_of
from quantgate.pipelines.engines.binding.vocabularies import vocabulary_of_pieces

END = 256
BYTES = Binder(
    vocabulary_of_pieces([*(bytes([byte]) for byte in range(256)), b""]), frozenset({END})
)


def can_be(schema: JsonValue, text: str) -> bool:
    """Say whether an answer bound to a schema can be a text, and end there."""
    answer = BYTES.begin(json.dumps(schema))
    for byte in text.encode():
        if not answer.allows(byte):
            return False
        answer.accept(byte)
    return answer.allows(END)


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 0),
        (0, 9),
        (5, 5),
        (7, 13),
        (1, 100),
        (99, 1001),
        (-5, 5),
        (-120, -7),
        (-300, 41),
        (0, 255),
    ],
)
def test_bounds_of_integers_let_through_just_the_integers_within_them(low: int, high: int) -> None:
    schema: JsonObject = {"type": "integer", "minimum": low, "maximum": high}
    assert {n for n in range(-1500, 1500) if can_be(schema, str(n))} == set(range(low, high + 1))
    assert not any(can_be(schema, text) for text in ("", "-", "00", "01", "1.0"))


def test_exclusive_and_fractional_bounds_are_rounded_inwards() -> None:
    bounds: JsonObject = {"exclusiveMinimum": 2, "exclusiveMaximum": 5.5, "minimum": 1.2}
    schema: JsonObject = {"type": "integer", **bounds}
    assert [n for n in range(-10, 10) if can_be(schema, str(n))] == [3, 4, 5]
    assert can_be({"type": "integer"}, "-123456789012345678")
    with pytest.raises(InputError, match="allows nothing"):
        grammar_of('{"type": "integer", "minimum": 3, "maximum": 2}')


def test_numbers_have_bounds_and_steps() -> None:
    schema: JsonObject = {"minimum": -1.5, "exclusiveMaximum": 10, "multipleOf": 0.5}
    for text in ("-1.5", "0", "0.5", "9.5"):
        assert can_be(schema, text), text
    for text in ("-2", "10", "0.3", "1e0"):
        assert not can_be(schema, text), text
    assert can_be({"type": "number"}, "-6.02e23")


def test_texts_are_escaped_as_json_escapes_them() -> None:
    schema: JsonObject = {"enum": ['say "hi"', "back\\slash", "line\nbreak", "é😀", 5, None]}
    for value in schema["enum"]:  # type: ignore[union-attr]  # it is the list above
        assert can_be(schema, json.dumps(value, ensure_ascii=False))
    for text in ('"say "hi""', '"back\\slash"', '"line\nbreak"', '"5"'):
        assert not can_be(schema, text)


def test_free_texts_are_strict_json() -> None:
    text: JsonObject = {"type": "string"}
    for allowed in ('""', '"\\u00e9\\n😀"', '"\\ud83d\\ude00"', '"\\"\\\\"'):
        assert can_be(text, allowed), allowed
    for refused in ('"a\nb"', '"\\x"', '"\\ud83d"', '"', "'a'"):
        assert not can_be(text, refused), refused


def test_lengths_patterns_and_formats_of_texts_bind() -> None:
    short: JsonObject = {"minLength": 1, "maxLength": 2}
    assert can_be(short, '"é"')
    assert can_be(short, '"😀\\n"')
    assert not can_be(short, '""')
    assert not can_be(short, '"abc"')
    assert can_be({"pattern": "^[A-Z]-[0-9]{4}$"}, '"A-1029"')
    assert not can_be({"pattern": "^[A-Z]-[0-9]{4}$"}, '"A-102"')
    assert can_be({"format": "date"}, '"2026-02-28"')
    assert not can_be({"format": "date"}, '"2026-02-31"')
    assert not can_be({"format": "email"}, '"nobody"')


def test_keys_come_once_and_in_the_order_of_the_schema() -> None:
    schema: JsonObject = {
        "properties": {"name": {"const": 1}, "arguments": {"const": 2}},
        "required": ["arguments", "name"],
    }
    assert can_be(schema, '{"name":1,"arguments":2}')
    assert not can_be(schema, '{"arguments":2,"name":1}')
    assert not can_be(schema, '{"name":1,"name":1,"arguments":2}')
    assert not can_be(schema, '{"name":1}')


def test_whitespace_is_a_space_or_a_line_break_with_its_indentation() -> None:
    schema: JsonObject = {"properties": {"a": {"type": "integer"}}}
    for text in ('{"a":1}', '{ "a": 1 }', '{\n    "a": 1\n}'):
        assert can_be(schema, text), text
    for text in ('{"a":  1}', '{\n\n"a": 1}', ' {"a":1}', '{"a":1}\n', '{\t"a":1}'):
        assert not can_be(schema, text), text


def test_references_bind_however_deep() -> None:
    schema: JsonObject = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "properties": {"next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}},
                "required": ["next"],
            }
        },
    }
    assert can_be(schema, '{"next":{"next":{"next":null}}}')
    assert not can_be(schema, '{"next":{"next":{}}}')
    assert can_be({"anyOf": [{"$ref": "#"}, {"type": "null"}]}, "null")


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "array", "uniqueItems": True}, "[1, 1]"),
        ({"type": "array", "contains": {"const": 1}}, "[2]"),
        ({"type": "string", "format": "unheard-of"}, '"x"'),
        ({"type": "string", "pattern": "^(?=a)b"}, '"c"'),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "1"),
        ({"properties": {"a": {}, "b": {}}, "minProperties": 2}, '{"a":1}'),
        ({"properties": {"a": {}, "b": {}}, "dependentRequired": {"a": ["b"]}}, '{"a":1}'),
        ({"type": "object", "propertyNames": {"maxLength": 1}}, '{"ab":1}'),
        ({"patternProperties": {"^a": {"const": 1}, "b$": {"const": 2}}}, '{"ab":3}'),
        ({"not": {"type": "null"}}, "null"),
    ],
)
def test_what_no_grammar_expresses_is_let_through(schema: JsonObject, text: str) -> None:
    assert can_be(schema, text)


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (False, "allows nothing"),
        ({"enum": []}, "allows nothing"),
        ({"type": "string", "enum": [1]}, "allows nothing"),
        ({"type": "text"}, "type: text"),
        ({"$ref": "#/$defs/absent"}, "does not exist"),
        ({"$ref": "https://example.org/s"}, "https://example.org/s"),
        ({"$ref": "#"}, "no text meets it"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "minItems (3) is greater"),
        ({"properties": {"a": False}, "required": ["a"]}, "required property 'a'"),
        ({"const": "\ud800"}, "no grammar can be made"),
    ],
)
def test_schemas_that_nothing_can_meet_are_refused(schema: object, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        grammar_of(json.dumps(schema))


def test_a_schema_nested_too_deep_is_refused() -> None:
    with pytest.raises(InputError):
        grammar_of('{"items":' * 5000 + "{}" + "}" * 5000)


def test_a_text_of_thousands_of_characters_can_be_asked_for() -> None:
    schema: JsonObject = {"type": "string", "minLength": 5000}
    assert can_be(schema, f'"{"a" * 5000}"')
    assert not can_be(schema, f'"{"a" * 4999}"')
