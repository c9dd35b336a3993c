"""What the offered tools say of their parameters, in JSON schema's type names and in BFCL's.

BFCL (Berkeley Function-Calling Leaderboard) writes the types of Python, Java and JavaScript: `dict`,
`float`, `tuple`, `any`, `HashMap`, `ArrayList`, `Bigint`.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from quantgate.pipelines.domain.values import JsonObject, JsonValue

_KINDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        name: frozenset(kinds)
        for kinds, names in (
            (("string",), "string String str char Char"),
            (("integer",), "integer int Integer long Long short byte Bigint BigInteger"),
            (("integer", "number"), "number float Float double Double BigDecimal"),
            (("boolean",), "boolean Boolean bool"),
            (("array",), "array Array list List ArrayList tuple set Set Queue Stack"),
            (("object",), "object dict HashMap Hashtable Map"),
            (("null",), "null"),
        )
        for name in names.split()
    }
)
"""`any`, `Object` and what is not listed here take every kind."""


def offered_tools(tools: Sequence[JsonObject]) -> dict[str, JsonObject]:
    """Return every tool's parameter schema by the tool's name; OpenAI's wrapping is taken off."""
    schemas: dict[str, JsonObject] = {}
    for tool in tools:
        inner = tool.get("function")
        definition = inner if isinstance(inner, dict) else tool
        name, parameters = definition.get("name"), definition.get("parameters")
        if isinstance(name, str):
            schemas[name] = parameters if isinstance(parameters, dict) else {}
    return schemas


def parameter(parameters: JsonObject, name: str) -> JsonObject | None:
    """Return the schema of one parameter; None where the tool does not declare it."""
    properties = parameters.get("properties")
    schema = properties.get(name) if isinstance(properties, dict) else None
    return schema if isinstance(schema, dict) else None


def required_names(parameters: JsonObject) -> tuple[str, ...]:
    """Return the parameters without which a tool cannot be called."""
    required = parameters.get("required")
    names = required if isinstance(required, list | tuple) else ()
    return tuple(name for name in names if isinstance(name, str))


def kind(value: JsonValue) -> str:
    """Return JSON schema's name of a normalized value's type; whole numbers are integers."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, dict) else "array"


def declared_kinds(schema: JsonObject | None) -> frozenset[str] | None:
    """Return the kinds that a parameter takes; None where it takes every kind or says nothing."""
    declared = (schema or {}).get("type")
    names = declared if isinstance(declared, list | tuple) else [declared]
    kinds: set[str] = set()
    for name in names:
        named = _KINDS.get(name) if isinstance(name, str) else None
        if named is None:
            return None
        kinds |= named
    return frozenset(kinds) or None
