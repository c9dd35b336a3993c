import json
from typing import Any

import pytest

from quantgate.pipelines.engines.openai.dialects import dialect_of

FOUR, FIVE = ("a", "b", "c", "d"), ("a", "b", "c", "d", "e")
ARRAY = {"type": "array", "items": {"type": "integer"}}


def refused(engine: str, schema: Any = None, stops: tuple[str, ...] = ()) -> str | None:
    """What an engine refuses."""
    text = None if schema is None else json.dumps(schema)
    return dialect_of(engine).refuses.of(stops, text)


@pytest.mark.parametrize("engine", ["vllm", "some gateway"])
def test_five_stop_texts_are_refused_where_four_are_taken(engine: str) -> None:
    assert refused(engine, stops=FOUR) is None
    assert refused(engine, stops=FIVE) == "5 stop texts (it takes 4)"


def test_llama_server_takes_any_number_of_stop_texts() -> None:
    assert refused("llama-server", ARRAY | {"uniqueItems": True}, FIVE) is None


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        (ARRAY | {"uniqueItems": True}, "uniqueItems"),
        (ARRAY | {"uniqueItems": False}, "uniqueItems"),
        (ARRAY | {"contains": {"const": 1}}, "contains"),
        (ARRAY | {"minContains": 1}, "minContains"),
        ({"type": "object", "minProperties": 1}, "minProperties"),
        ({"type": "object", "properties": {"l": {"minProperties": 1}}}, "minProperties"),
        ({"anyOf": [{"type": "null"}, ARRAY | {"uniqueItems": True}]}, "uniqueItems"),
        ({"$defs": {"x": ARRAY | {"uniqueItems": True}}, "$ref": "#/$defs/x"}, "uniqueItems"),
        ({"type": "string", "format": "iban"}, "iban"),
    ],
)
def test_keywords_that_vllm_answers_with_an_error_are_found_wherever_they_stand(
    schema: Any, name: str
) -> None:
    assert name in (refused("vllm", schema) or "")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {}}, "minProperties": 1},
        {"type": "object", "maxProperties": 1},
        {"type": "object", "properties": {"uniqueItems": {"type": "boolean"}}},
        {"const": {"uniqueItems": True, "contains": 1}},
        {"enum": [{"format": "iban"}]},
        {"type": "string", "format": "date"},
        {"type": "string", "pattern": "^a", "minLength": 1},
    ],
)
def test_what_vllm_takes_is_not_refused(schema: Any) -> None:
    assert refused("vllm", schema) is None
