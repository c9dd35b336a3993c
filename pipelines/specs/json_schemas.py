"""JSON schemas of models and nouns, as they stand in files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from quantgate.pipelines.domain.values import JsonValue

SCHEMAS = Path(__file__).resolve().parent / "schemas"
"""Where the schemas of files that people write are kept, for editors."""

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema_text(model: Any) -> str:
    """Return the JSON schema of what a person writes as a model."""
    adapter: TypeAdapter[Any] = TypeAdapter(model)
    return _text({"$schema": DRAFT, **_untitled(adapter.json_schema())})


def output_schema_text(name: str, noun: Any) -> str:
    """Return the JSON schema of what a program prints as a noun, under the key `schema` its name.

    More keys than it names may be there: a version of a schema only ever adds some.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(noun)
    described = _untitled(adapter.json_schema(mode="serialization"))
    definitions = described.pop("$defs", {})
    return _text(
        {
            "$schema": DRAFT,
            "title": name,
            "type": "object",
            "properties": {"schema": {"const": name}},
            "required": ["schema"],
            "allOf": [described],
            "$defs": definitions,
        }
    )


def _text(schema: Mapping[str, JsonValue]) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _untitled(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Leave out pydantic's titles, which repeat names: `Max Break Rate` of `max_break_rate`."""
    return {
        key: _inside(value, named=key in ("properties", "$defs"))
        for key, value in schema.items()
        if key != "title"
    }


def _inside(value: JsonValue, *, named: bool) -> JsonValue:
    """Go on below; the keys of `properties` and `$defs` are names, of which none is left out."""
    if isinstance(value, dict):
        if named:
            return {name: _inside(part, named=False) for name, part in value.items()}
        return _untitled(value)
    if isinstance(value, list):
        return [_inside(part, named=False) for part in value]
    return value
