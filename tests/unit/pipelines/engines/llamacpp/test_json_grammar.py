"""JSON schemas as grammars: what becomes of them. That llama.cpp reads them is tested with the real one."""

import json
import re

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.llamacpp.grammar.numbers import integer_rule
from quantgate.pipelines.engines.llamacpp.grammar.schema import grammar_of


def _python_pattern(rule: str) -> re.Pattern[str]:
    """Rules of integers use quotes, classes, counts, alternatives and brackets: regex but for quotes."""
    return re.compile(re.sub(r'"(-?[^"]*)"', r"\1", rule).replace(" ", ""))


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
    rule = integer_rule({"minimum": low, "maximum": high})
    assert rule is not None
    pattern = _python_pattern(rule)
    matched = {n for n in range(-1500, 1500) if pattern.fullmatch(str(n))}
    assert matched == set(range(low, high + 1))
    assert not any(pattern.fullmatch(text) for text in ("", "-", "-0", "00", "01", "1.0"))


def test_exclusive_and_fractional_bounds_are_rounded_inwards() -> None:
    rule = integer_rule({"exclusiveMinimum": 2, "exclusiveMaximum": 5.5, "minimum": 1.2})
    assert rule is not None
    pattern = _python_pattern(rule)
    assert [n for n in range(-10, 10) if pattern.fullmatch(str(n))] == [3, 4, 5]
    assert integer_rule({"type": "integer"}) is None
    with pytest.raises(InputError, match="leave no integer"):
        integer_rule({"minimum": 3, "maximum": 2})


def test_literals_are_escaped_for_json_and_then_for_the_grammar() -> None:
    text = grammar_of(
        json.dumps({"enum": ['say "hi"', "back\\slash", "line\nbreak", 5, None]})
    ).text
    root = next(line for line in text.splitlines() if '"hi' in line or "hi" in line)
    assert r'"\"say \\\"hi\\\"\""' in root
    assert r'"\"back\\\\slash\""' in root
    assert r'"\"line\\nbreak\""' in root
    assert '"5" | "null"' in root


def test_keys_come_in_the_order_of_the_schema() -> None:
    schema: JsonObject = {
        "properties": {"name": {"const": 1}, "arguments": {"const": 2}},
        "required": ["arguments", "name"],
    }
    rules = dict(line.split(" ::= ") for line in grammar_of(json.dumps(schema)).text.splitlines())
    text = rules["root"]
    while unfolded := re.findall(r"\br\d+\b", text):
        text = text.replace(unfolded[0], rules[unfolded[0]])
    assert text.index("name") < text.index("arguments")


def test_what_a_grammar_does_not_bind_is_listed() -> None:
    schema: JsonObject = {
        "type": "object",
        "properties": {
            "a": {"type": "string", "pattern": "^x"},
            "b": {"type": "number", "maximum": 5},
            "c": {"type": "array", "uniqueItems": True},
            "d": {"type": "string", "format": "email"},
            "e": {"type": "integer", "minimum": 0, "maximum": 5},
        },
    }
    found = grammar_of(json.dumps(schema)).unexpressed
    assert found == ("format", "maximum", "pattern", "uniqueItems")


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (False, "allows nothing"),
        ({"enum": []}, "allows nothing"),
        ({"type": "string", "enum": [1]}, "allows nothing"),
        ({"type": "text"}, "type 'text'"),
        ({"$ref": "#/$defs/absent"}, "which is not in it"),
        ({"$ref": "https://example.org/s"}, "needs `#/"),
        ({"type": "string", "minLength": 5000}, "too much"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "below"),
        ({"properties": {"a": False}, "required": ["a"]}, "it forbids"),
    ],
)
def test_schemas_that_nothing_can_meet_are_refused(schema: object, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        grammar_of(json.dumps(schema))
