"""Keys and types that a schema leaves open are closed, and nothing that it says is lost."""

import pytest

from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.binding.closed import closed
from tests.unit.pipelines.engines.binding.test_grammar import can_be

ADDRESS: JsonObject = {"properties": {"town": {"type": "string"}}, "required": ["town"]}


def test_an_object_has_the_keys_that_its_schema_names_and_no_others() -> None:
    schema: JsonObject = {"properties": {"a": {"const": 1}}, "required": ["b"]}
    assert can_be(schema, '{"a":1,"b":[]}')
    assert not can_be(schema, '{"a":1,"b":[],"c":2}')
    assert can_be({"type": "object"}, '{"c":2}'), "nothing is named"


def test_what_a_schema_says_of_other_keys_holds() -> None:
    properties: JsonObject = {"a": {"const": 1}}
    schema: JsonObject = {"properties": properties, "additionalProperties": {"const": 2}}
    assert can_be(schema, '{"a":1,"c":2}')
    assert not can_be(schema, '{"a":1,"c":3}')
    schema = {"properties": properties, "patternProperties": {"^x-": {"const": 2}}}
    assert can_be(schema, '{"a":1,"x-c":2}')


@pytest.mark.parametrize(
    ("schema", "is_of_it", "is_none"),
    [
        ({"properties": {"a": {}}}, "{}", "1"),
        ({"items": {"const": 1}}, "[1]", "{}"),
        ({"maxLength": 3}, '"abc"', "5"),
        ({"minimum": 3}, "3.5", '"a"'),
    ],
)
def test_a_schema_without_a_type_is_of_the_type_that_it_speaks_of(
    schema: JsonObject, is_of_it: str, is_none: str
) -> None:
    assert can_be(schema, is_of_it)
    assert not can_be(schema, is_none)


def test_alternatives_close_one_by_one() -> None:
    schema: JsonObject = {"anyOf": [ADDRESS, {"properties": {"zip": {}}}, {"type": "null"}]}
    for text in ('{"town":"x"}', '{"zip":1}', "null"):
        assert can_be(schema, text), text
    assert not can_be(schema, '{"town":"x","zip":1}')


def test_schemas_that_hold_together_name_their_keys_together() -> None:
    schema: JsonObject = {
        "allOf": [{"$ref": "#/$defs/address"}, {"properties": {"zip": {"type": "integer"}}}],
        "required": ["zip"],
        "$defs": {"address": ADDRESS},
    }
    assert can_be(schema, '{"town":"x","zip":1}')
    assert not can_be(schema, '{"town":"x"}')
    assert not can_be(schema, '{"town":"x","zip":1,"more":1}')


def test_either_of_two_keys_can_be_asked_for() -> None:
    schema: JsonObject = {
        "properties": {"a": {}, "b": {}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    }
    for text in ('{"a":1}', '{"b":1}', '{"a":1,"b":1}'):
        assert can_be(schema, text), text
    for text in ("{}", '{"a":1,"c":1}', "1"):
        assert not can_be(schema, text), text


def test_a_schema_that_is_referred_to_alone_is_closed_there() -> None:
    schema: JsonObject = {
        "properties": {"home": {"$ref": "#/$defs/address", "description": "where"}},
        "$defs": {"address": ADDRESS},
    }
    assert can_be(schema, '{"home":{"town":"x"}}')
    assert not can_be(schema, '{"home":{"town":"x","zip":1}}')


def test_properties_that_are_named_like_keywords_are_properties() -> None:
    schema: JsonObject = {
        "properties": {"pattern": {"pattern": "(?=a)"}, "allOf": {"const": [1]}},
        "required": ["pattern", "allOf"],
    }
    assert can_be(schema, '{"pattern":"b","allOf":[1]}')
    assert not can_be(schema, '{"pattern":"b","allOf":[2]}')


def test_what_a_schema_says_to_other_programs_is_left_aside() -> None:
    schema: JsonObject = {
        "$schema": "https://example.org/unheard-of",
        "$id": "https://example.org/other",
        "x-guidance": {"whitespace_flexible": True, "whitespace_pattern": "x"},
        "properties": {"a": {"$ref": "#/$defs/one"}},
        "$defs": {"one": {"const": 1}},
    }
    assert can_be(schema, '{"a":1}')
    assert not can_be(schema, '{xx"a":1}')


def test_parts_that_many_others_share_are_looked_at_once() -> None:
    """Each way through forty levels of two would be a trillion ways."""
    levels: JsonObject = {
        f"l{n}": {"allOf": [{"$ref": f"#/$defs/l{n + 1}"}, {"$ref": f"#/$defs/l{n + 1}"}]}
        for n in range(40)
    }
    schema: JsonObject = {"$ref": "#/$defs/l0", "$defs": {**levels, "l40": ADDRESS}}
    result = closed(schema, lambda _schema: True)
    assert isinstance(result, dict)
    assert result["$ref"] == "#/$defs/l0"
