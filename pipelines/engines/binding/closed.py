"""JSON schemas as answers are bound to them: what they say stays, and what they leave open is closed.

By the standard a schema with `properties` lets any other key in, and one without `type` any other kind of
value. Models make use of both, and suites mean neither. So an object has the keys that its schema names and
no others, unless the schema itself says something of others, and a schema without `type` is of the type that
its keywords speak of.

Subschemas that hold of one value (`allOf`, `anyOf`, `oneOf`, `$ref`, and what stands beside them) may each
name keys of one object. Then none of them is closed by itself, but all together are.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from quantgate.pipelines.domain.values import JsonObject, JsonValue

Compiles = Callable[[JsonObject], bool]
"""Says whether a grammar can be made of a schema as it is."""
Rewrite = Callable[[JsonValue, str], JsonValue]

_ALTERNATIVES = ("anyOf", "oneOf")
_IN_PLACE = ("allOf", *_ALTERNATIVES)
_OF_OTHER_KEYS = ("additionalProperties", "patternProperties")
_OF_THE_KIND = ("type", "const", "enum")
_BY_NAME = ("properties", "patternProperties", "$defs", "definitions")
_COUNTS_OF_KEYS = ("minProperties", "maxProperties")
_LEFT_OUT = ("$schema", "$id", "x-guidance")
"""Every schema is read by draft 2020-12 and from its own root; it sets up no grammar's maker."""
_SPEAKS_OF: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "object": frozenset(
            {"properties", "required", "additionalProperties", "patternProperties"}
        ),
        "array": frozenset({"items", "prefixItems", "minItems", "maxItems"}),
        "string": frozenset({"minLength", "maxLength", "format", "pattern"}),
        "number": frozenset(
            {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
        ),
    }
)


def closed(schema: JsonValue, compiles: Compiles) -> JsonValue:
    """Return a schema closed, without the patterns that `compiles` refuses."""
    closing = _Closing(schema, compiles)
    while True:
        before = len(closing.combined)
        result = closing.whole(schema, "#")
        if len(closing.combined) == before:
            return result


class _Closing:
    """Rewrites subschemas; `at` is where one stands, as a JSON pointer.

    `combined` are pointers of those that others refer to in combination with further keys.
    """

    def __init__(self, root: JsonValue, compiles: Compiles) -> None:
        self._root, self._compiles = root, compiles
        self.combined: set[str] = set()

    def whole(self, schema: JsonValue, at: str) -> JsonValue:
        """Rewrite a subschema that says all there is to say of a value, and close it."""
        if not isinstance(schema, dict) or at in self.combined:
            return self._part(schema, at)
        naming = [names for group in _groups(schema) if (names := self._names(group))]
        kind: str | None
        if len(naming) > 1:
            rewritten = self._left_open(schema, at)
            parts = list(self._in_place(schema))
            names, kind = list(itertools.chain.from_iterable(naming)), "object"
        else:  # what stands in its place, if anything, closes itself
            rewritten = self._rewritten(schema, at, self.whole)
            parts, names, kind = [schema], _own_names(schema), _kind(schema)
        if names and not _any_says(parts, _OF_OTHER_KEYS):
            properties = _mapping(rewritten.get("properties"))
            rewritten["properties"] = {**properties, **_anything(names, properties)}
            rewritten["additionalProperties"] = False
        if kind and not _any_says(parts, _OF_THE_KIND):
            rewritten["type"] = kind
        return self._without_refused(rewritten)

    def _part(self, schema: JsonValue, at: str) -> JsonValue:
        return self._left_open(schema, at) if isinstance(schema, dict) else schema

    def _left_open(self, schema: JsonObject, at: str) -> JsonObject:
        if isinstance(pointer := schema.get("$ref"), str):
            self.combined.add(pointer)
        return self._without_refused(self._rewritten(schema, at, self._part))

    def _rewritten(self, schema: JsonObject, at: str, in_place: Rewrite) -> JsonObject:
        rewritten: JsonObject = {}
        for key, value in schema.items():
            below = f"{at}/{key}"
            if key in _BY_NAME and isinstance(value, dict):
                rewritten[key] = {
                    name: self.whole(part, f"{below}/{_escaped(name)}")
                    for name, part in value.items()
                }
            elif key in (*_IN_PLACE, "prefixItems") and isinstance(value, list):
                rewrite = self.whole if key == "prefixItems" else in_place
                rewritten[key] = [rewrite(part, f"{below}/{n}") for n, part in enumerate(value)]
            elif key in ("items", "additionalProperties"):
                rewritten[key] = self.whole(value, below)
            elif key not in _LEFT_OUT:
                rewritten[key] = value
        return rewritten

    def _without_refused(self, schema: JsonObject) -> JsonObject:
        """Leave out what no grammar is made of, and would be no matter what stands beside it."""
        pattern = _only(schema, ("pattern",))
        if pattern and not self._compiles({"type": "string", **pattern}):
            del schema["pattern"]
        patterns = _mapping(schema.get("patternProperties"))
        named: JsonObject = {"patternProperties": _anything(patterns, {})}
        if patterns and not self._compiles({"type": "object", **named}):
            del schema["patternProperties"]
            schema["additionalProperties"] = True
        counts = _only(schema, _COUNTS_OF_KEYS)
        named = {
            "properties": _anything(_own_names(schema), {}),
            "additionalProperties": schema.get("additionalProperties") is not False,
            **_only(schema, ("required",)),
        }
        if counts and not self._compiles({"type": "object", **named, **counts}):
            schema = {key: value for key, value in schema.items() if key not in counts}
        return schema

    def _names(self, schema: JsonObject) -> list[str]:
        return [name for part in self._in_place(schema) for name in _own_names(part)]

    def _in_place(self, schema: JsonObject) -> Iterator[JsonObject]:
        """Yield a subschema and all that hold of the same value, through references, each once."""
        waiting: list[JsonValue] = [schema]
        followed: set[str] = set()
        while waiting:
            part = waiting.pop(0)
            if not isinstance(part, dict):
                continue
            yield part
            waiting += [inner for key in _IN_PLACE for inner in _list(part.get(key))]
            pointer = part.get("$ref")
            if isinstance(pointer, str) and pointer not in followed:
                followed.add(pointer)
                waiting.append(self._resolved(pointer))

    def _resolved(self, pointer: str) -> JsonValue:
        target = self._root if pointer == "#" or pointer.startswith("#/") else None
        for step in pointer.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(target, list) and key.isdigit() and int(key) < len(target):
                target = target[int(key)]
            else:  # what is not there is told when the grammar is made
                target = target.get(key) if isinstance(target, dict) else None
        return target


def _groups(schema: JsonObject) -> Iterator[JsonObject]:
    """Yield what may each name keys: a schema's own keywords, each of `allOf`, alternatives, a reference."""
    yield {key: value for key, value in schema.items() if key not in (*_IN_PLACE, "$ref")}
    yield from (part for part in _list(schema.get("allOf")) if isinstance(part, dict))
    yield from ({key: schema[key]} for key in (*_ALTERNATIVES, "$ref") if key in schema)


def _own_names(schema: JsonObject) -> list[str]:
    return [*_mapping(schema.get("properties")), *map(str, _list(schema.get("required")))]


def _only(schema: JsonObject, keys: Iterable[str]) -> JsonObject:
    return {key: schema[key] for key in keys if key in schema}


def _kind(schema: JsonObject) -> str | None:
    """Return the type that the keywords of a schema speak of, where it says none."""
    if any(key in schema for key in (*_IN_PLACE, "$ref")):
        return None
    return next((kind for kind, keys in _SPEAKS_OF.items() if not keys.isdisjoint(schema)), None)


def _anything(names: Iterable[str], described: JsonObject) -> JsonObject:
    return {name: True for name in names if name not in described}


def _any_says(parts: Iterable[JsonObject], keys: Iterable[str]) -> bool:
    return any(key in part for part in parts for key in keys)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _list(value: JsonValue) -> list[JsonValue]:
    return list(value) if isinstance(value, list | tuple) else []


def _mapping(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}
