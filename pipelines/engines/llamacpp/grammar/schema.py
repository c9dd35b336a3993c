"""JSON schemas as GBNF, the grammars that llama.cpp binds answers with.

The converter of llama-cpp-python is not used: it leaves backslashes in literals unescaped, lets line breaks
stand in strings, and puts numbers no double can hold within reach. Format: `grammars/README.md` of
llama.cpp.

What a grammar allows is never more than its schema but for the keywords listed in `unexpressed`: those have
to be checked again. It is less where that does no harm: keys come in the schema's order, keys that the
schema does not name are left out where it names some, whitespace is one space or one line break.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.llamacpp.grammar.numbers import integer_rule
from quantgate.pipelines.engines.llamacpp.grammar.parts import (
    FORMATS,
    PRIMITIVES,
    TYPES,
    implied_types,
    is_of,
    literal,
)

_UNEXPRESSED = (
    *("pattern", "patternProperties", "propertyNames", "uniqueItems", "multipleOf", "contains"),
    *("not", "if", "then", "else", "dependentRequired", "dependentSchemas"),
    *("unevaluatedProperties", "unevaluatedItems", "$dynamicRef"),
)
_ANNOTATIONS = (
    *("$schema", "$id", "$comment", "$defs", "definitions"),
    *("title", "description", "examples", "default"),
)
# llama.cpp refuses grammars whose repetitions unfold to more rules than some thousands.
_MOST_REPEATS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonGrammar:
    """A grammar in GBNF with the root `root`; `unexpressed` are the schema's keywords it does not bind."""

    text: str
    unexpressed: tuple[str, ...]


def grammar_of(schema: str) -> JsonGrammar:
    """Convert a JSON schema, given as JSON text whose key order is the answer's.

    Raises:
        InputError: where nothing could meet it, or a reference leads nowhere.
    """
    converter = _Converter(json.loads(schema))
    try:
        converter.rules["root"] = converter.expression(converter.root)
    except RecursionError as error:
        raise InputError("the JSON schema is nested too deep for a grammar") from error
    lines = [f"{name} ::= {rule}" for name, rule in (converter.rules | dict(PRIMITIVES)).items()]
    return JsonGrammar(text="\n".join(lines) + "\n", unexpressed=tuple(sorted(converter.lost)))


class _Converter:
    """Turns subschemas into expressions; `rules` collects those that need names of their own."""

    def __init__(self, root: JsonValue) -> None:
        self.root = root
        self.rules: dict[str, str] = {}
        self.lost: set[str] = set()
        self._references: dict[str, str] = {}

    def expression(self, schema: JsonValue) -> str:
        """Return the expression of a subschema: the name of a rule, or a literal in brackets."""
        if schema is True or schema == {}:
            return "value"
        if not isinstance(schema, dict):
            raise InputError("the JSON schema allows nothing at one place: no answer could meet it")
        self.lost.update(key for key in _UNEXPRESSED if key in schema)
        if isinstance(schema.get("$ref"), str):
            return self._reference(schema)
        schema = {key: value for key, value in schema.items() if key not in _ANNOTATIONS}
        if not schema:
            return "value"
        if "allOf" in schema:
            parts = _subschemas(schema["allOf"])
            rest = {key: value for key, value in schema.items() if key != "allOf"}
            return self.expression(self._merged(rest, *parts))
        for key in ("anyOf", "oneOf"):
            if key in schema:
                self.lost.update(["oneOf"] if key == "oneOf" else [])
                rest = {name: value for name, value in schema.items() if name != key}
                return self._either(
                    [self._merged(rest, one) if rest else one for one in _subschemas(schema[key])]
                )
        return self._plain(schema)

    def _plain(self, schema: JsonObject) -> str:
        if "const" in schema:
            return literal(schema["const"])
        declared = schema.get("type", implied_types(schema))
        types = declared if isinstance(declared, list) else [declared]
        if "enum" in schema:
            return self._enumerated(schema["enum"], [] if "type" not in schema else types)
        return self._alternatives([self._typed(str(one), schema) for one in types])

    def _enumerated(self, values: JsonValue, types: Sequence[JsonValue]) -> str:
        allowed = [
            literal(one)
            for one in (values if isinstance(values, list) else [])
            if not types or any(is_of(one, str(name)) for name in types)
        ]
        return self._alternatives(allowed)

    def _typed(self, name: str, schema: JsonObject) -> str:
        match name:
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema)
            case "string":
                return self._string(schema)
            case "integer":
                return integer_rule(schema) or "integer"
            case "number":
                return self._number(schema)
        if name not in TYPES:
            raise InputError(
                f"the JSON schema has the type '{name}', which is none of JSON schema's"
            )
        return name

    def _number(self, schema: JsonObject) -> str:
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        positive = isinstance(low, int | float) and low >= 0
        bounds = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
        exact = positive and low == 0 and "minimum" in schema
        self.lost.update(
            key for key in bounds if key in schema and not (exact and key == "minimum")
        )
        return "positive" if positive else "number"

    def _string(self, schema: JsonObject) -> str:
        form = schema.get("format")
        if isinstance(form, str):
            if form in FORMATS:
                self.lost.update(["format"] if form.startswith("date") else [])
                return self._named(FORMATS[form])
            self.lost.add("format")
        if "minLength" not in schema and "maxLength" not in schema:
            return "string"
        repeat = self._repeat(schema, "minLength", "maxLength", less=0)
        return self._named(rf'"\"" char{repeat} "\""')

    def _object(self, schema: JsonObject) -> str:
        named = schema.get("properties")
        properties = dict(named) if isinstance(named, dict) else {}
        required = [name for name in _names(schema.get("required")) if isinstance(name, str)]
        others = schema.get("additionalProperties", True)
        for name in required:
            properties.setdefault(name, others)
        if not properties:
            return self._map(schema, others)
        self.lost.update(key for key in ("minProperties", "maxProperties") if key in schema)
        if any(properties[name] is False for name in required):
            raise InputError(
                "the JSON schema requires a key that it forbids: no answer could meet it"
            )
        members = [
            (f'{literal(name)} ":" ws {self.expression(one)}', name in required)
            for name, one in properties.items()
            if one is not False
        ]
        after = '""'
        starts = ""
        for member, needed in reversed(members):
            start = f"{member} {after} ws"
            starts = start if needed or not starts else f"{start} | {starts}"
            follow = f'"," ws {member}'
            after = self._named(f"{follow} {after}" if needed else f"({follow})? {after}")
        filled = self._named(starts) if starts else '""'
        mark = "" if required else "?"
        return self._named(f'"{{" ws ({filled}){mark} "}}"')

    def _map(self, schema: JsonObject, others: JsonValue) -> str:
        if others is False:
            return self._named('"{" ws "}"')
        if others is True and not schema.keys() & {"minProperties", "maxProperties"}:
            return "object"
        pair = self._named(f'string ":" ws {self.expression(others)}')
        return self._listed("{", pair, "}", schema, "minProperties", "maxProperties")

    def _array(self, schema: JsonObject) -> str:
        first = _subschemas(schema.get("prefixItems", []))
        items = schema.get("items", True)
        if not first:
            if items is False:
                return self._named('"[" ws "]"')
            return self._listed("[", self.expression(items), "]", schema, "minItems", "maxItems")
        most = schema.get("maxItems")
        kept = first[: most if isinstance(most, int) else None]
        parts = ' "," ws '.join(self.expression(one) for one in kept)
        least = schema.get("minItems")
        more = ""
        if items is not False and ("items" in schema or isinstance(least, int)):
            repeat = self._repeat(schema, "minItems", "maxItems", less=len(kept))
            more = f'("," ws {self.expression(items)}){repeat}'
        return self._named(f'"[" ws {parts} {more} ws "]"')

    def _listed(
        self, opening: str, element: str, closing: str, schema: JsonObject, *bounds: str
    ) -> str:
        """Elements with commas between; the first is not among those that are repeated."""
        least, most = (schema.get(bound) for bound in bounds)
        if most == 0:
            return self._named(f'"{opening}" ws "{closing}"')
        repeat = self._repeat(schema, bounds[0], bounds[1], less=1)
        mark = "" if isinstance(least, int) and least > 0 else "?"
        filled = f'({element} ("," ws {element}){repeat} ws){mark}'
        return self._named(f'"{opening}" ws {filled} "{closing}"')

    def _repeat(self, schema: JsonObject, least: str, most: str, *, less: int) -> str:
        low, high = schema.get(least), schema.get(most)
        lower = max(0, low - less) if isinstance(low, int) else 0
        if lower > _MOST_REPEATS:
            raise InputError(f"the JSON schema's {least} of {low} is too much for a grammar")
        if not isinstance(high, int):
            return f"{{{lower},}}"
        if high - less > _MOST_REPEATS:
            self.lost.add(most)
            return f"{{{lower},}}"
        if high < (low if isinstance(low, int) else 0):
            raise InputError(f"the JSON schema's {most} is below its {least}")
        return f"{{{lower},{max(0, high - less)}}}"

    def _reference(self, schema: JsonObject) -> str:
        pointer = str(schema["$ref"])
        if len(schema) > 1:
            self.lost.update(key for key in schema if key in ("properties", "required", "allOf"))
        if pointer not in self._references:
            name = f"r{len(self.rules)}"
            self.rules[name] = ""
            self._references[pointer] = name
            self.rules[name] = self.expression(self._resolved(pointer))
        return self._references[pointer]

    def _resolved(self, pointer: str) -> JsonValue:
        if pointer != "#" and not pointer.startswith("#/"):
            raise InputError(f"the JSON schema refers to '{pointer}': a grammar needs `#/…`")
        target = self.root
        for part in pointer[1:].split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(target, list) and key.isdigit() and int(key) < len(target):
                target = target[int(key)]
            elif isinstance(target, dict) and key in target:
                target = target[key]
            else:
                raise InputError(f"the JSON schema refers to '{pointer}', which is not in it")
        return target

    def _merged(self, base: JsonObject, *parts: JsonValue) -> JsonValue:
        """Put schemas that all hold into one: properties and required keys together, else the last says."""
        merged = dict(base)
        for part in parts:
            while isinstance(part, dict) and set(part) == {"$ref"}:
                part = self._resolved(str(part["$ref"]))
            if part is True:
                continue
            if not isinstance(part, dict):
                return False
            both = merged.keys() & part.keys() - {"properties", "required", "description", "title"}
            self.lost.update(key for key in both if merged[key] != part[key])
            properties = {**_mapping(merged.get("properties")), **_mapping(part.get("properties"))}
            required = [*_names(merged.get("required")), *_names(part.get("required"))]
            merged |= part
            merged |= {"properties": properties} if properties else {}
            merged |= {"required": list(dict.fromkeys(map(str, required)))} if required else {}
        return merged

    def _either(self, schemas: Sequence[JsonValue]) -> str:
        return self._alternatives([self.expression(one) for one in schemas if one is not False])

    def _alternatives(self, expressions: Sequence[str]) -> str:
        if not expressions:
            raise InputError("the JSON schema allows nothing at one place: no answer could meet it")
        unique = list(dict.fromkeys(expressions))
        return unique[0] if len(unique) == 1 else self._named(" | ".join(unique))

    def _named(self, rule: str) -> str:
        name = f"r{len(self.rules)}"
        self.rules[name] = rule
        return name


def _subschemas(value: JsonValue) -> list[JsonValue]:
    return list(value) if isinstance(value, list | tuple) else []


def _names(value: JsonValue) -> list[JsonValue]:
    return list(value) if isinstance(value, list | tuple) else []


def _mapping(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}
