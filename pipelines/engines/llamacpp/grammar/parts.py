"""What grammars of JSON schemas are put together from: rules of JSON itself, literals, types."""

import json
from collections.abc import Mapping
from types import MappingProxyType

from quantgate.pipelines.domain.values import JsonObject, JsonValue

PRIMITIVES: Mapping[str, str] = MappingProxyType(
    {
        "ws": r'| " " | "\n" [ \t]{0,20}',
        # No control characters, surrogates or what is beyond Unicode: they read as several.
        "char": r"[\x20-\x21\x23-\x5B\x5D-\x7E\u0080-\uD7FF\uE000-\U0010FFFF]"
        r' | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4})',
        "string": r'"\"" char* "\""',
        "positive": '("0" | [1-9] [0-9]{0,15}) ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?',
        "number": '"-"? positive',
        "integer": '"-"? ("0" | [1-9] [0-9]{0,15})',
        "boolean": '"true" | "false"',
        "null": '"null"',
        "value": "object | array | string | number | boolean | null",
        "object": '"{" ws (string ":" ws value ("," ws string ":" ws value)* ws)? "}"',
        "array": '"[" ws (value ("," ws value)* ws)? "]"',
        "date": '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])',
        "time": '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,6})? '
        '("Z" | [+-] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])',
        "uuid": '[0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12}',
    }
)
FORMATS = {
    "date": r'"\"" date "\""',
    "time": r'"\"" time "\""',
    "date-time": r'"\"" date "T" time "\""',
    "uuid": r'"\"" uuid "\""',
}
TYPES = ("string", "number", "integer", "boolean", "null", "object", "array")


def literal(value: JsonValue) -> str:
    """Return a JSON value's text as a literal; lone surrogates, which UTF-8 lacks, stay escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    stored = text.encode("utf-8", "backslashreplace").decode("utf-8")
    escaped = stored.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def implied_types(schema: JsonObject) -> JsonValue:
    """Return the types that a schema without `type` speaks of: one name, or a list of all."""
    for name, keys in (
        ("object", ("properties", "required", "additionalProperties")),
        ("array", ("items", "prefixItems", "minItems", "maxItems")),
        ("string", ("minLength", "maxLength", "format", "pattern")),
        ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
    ):
        if any(key in schema for key in keys):
            return name
    return list(TYPES)


def is_of(value: JsonValue, name: str) -> bool:
    """Say whether a value is of a type by JSON schema's name; 5.0 is an integer, true is none."""
    kinds: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "number": (int, float),
        "integer": int,
        "boolean": bool,
        "null": type(None),
        "object": dict,
        "array": list,
    }
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, kinds.get(name, ()))
