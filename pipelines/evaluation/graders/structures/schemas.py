"""JSON schemas (draft 2020-12) as graders use them: kept when compiled, bounded in time, never fetching.

`jsonschema` is imported on first use. Where it differs here: patterns are searched by `patterns.search`,
which has a time limit; equal elements are found by their canonical text instead of in quadratic time;
multiples are those of the numbers as they are written (0.47 is one of 0.01, which its double is not); a
reference leads nowhere but into the schema itself. `format` is asserted for the formats in `FORMATS`, which
the draft leaves open; all other formats say nothing.
"""

import datetime
import ipaddress
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

from quantgate.pipelines.domain.values import JsonObject, JsonValue, canonical_json
from quantgate.pipelines.evaluation.graders.reading import patterns
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused, normalize
from quantgate.pipelines.evaluation.graders.reading.wording import shorten

_LOCAL = "#"
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]{1,63}(?:\.[^@\s.]{1,63}){1,10}")
_TIME = re.compile(r"\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class _TookTooLongError(Exception):
    """Raised out of a validation by a pattern; never leaves this module."""


def schema_problem(schema: JsonObject, *, formats: bool = True) -> str | None:
    """Say why nothing can be held against a schema, or None where something can."""
    made = _validator(canonical_json(schema), formats)
    return made.reason if isinstance(made, Refused) else None


def violation(value: JsonValue, schema: JsonObject, *, formats: bool = True) -> str | None:
    """Say where a value breaks a schema first, or None where it is valid. Never raises."""
    validator = _validator(canonical_json(schema), formats)
    if isinstance(validator, Refused):
        return validator.reason
    from referencing.exceptions import Unresolvable

    try:
        error = next(validator.iter_errors(value), None)
    except _TookTooLongError as slow:
        return str(slow)
    except (Unresolvable, RecursionError, ArithmeticError, ValueError, TypeError) as failed:
        return f"the schema cannot be applied: {shorten(str(failed))}"
    return None if error is None else f"{error.json_path}: {shorten(str(error.message))}"


def date_valid(text: str) -> bool:
    """RFC 3339 full-date, of a day that exists."""
    return _DATE.fullmatch(text) is not None and _reads(datetime.date.fromisoformat, text)


def time_valid(text: str) -> bool:
    """RFC 3339 full-time, with its offset; leap seconds are not read."""
    return _TIME.fullmatch(text) is not None and _reads(
        datetime.time.fromisoformat, re.sub(r"(\.\d{6})\d+", r"\1", text).upper()
    )


def _date_time_valid(text: str) -> bool:
    return text[10:11] in ("T", "t") and date_valid(text[:10]) and time_valid(text[11:])


FORMATS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        "date": date_valid,
        "time": time_valid,
        "date-time": _date_time_valid,
        "email": lambda text: _EMAIL.fullmatch(text) is not None,
        "ipv4": lambda text: _reads(ipaddress.IPv4Address, text),
        "ipv6": lambda text: _reads(ipaddress.IPv6Address, text),
        "uuid": lambda text: _UUID.fullmatch(text) is not None and _reads(uuid.UUID, text),
    }
)
"""The formats that are asserted, and how."""


def _reads(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1024)
def _validator(schema: str, formats: bool) -> Any:
    """Return jsonschema's validator, or `Refused`."""
    jsonschema = import_module("jsonschema")
    from referencing.jsonschema import EMPTY_REGISTRY

    parsed: JsonObject = json.loads(schema)
    problem = _unusable(parsed)
    if problem:
        return Refused(reason=problem)
    try:
        jsonschema.Draft202012Validator.check_schema(parsed)
    except jsonschema.SchemaError as error:
        where = error.json_path
        return Refused(reason=f"the schema is not valid at {where}: {shorten(str(error.message))}")
    except (RecursionError, ValueError, TypeError) as error:
        return Refused(reason=f"the schema is not valid: {shorten(str(error))}")
    checker = jsonschema.FormatChecker(formats=())
    for name, valid in FORMATS.items() if formats else ():
        checker.checks(name)(_only_texts(valid))
    made = _bounded_class()(parsed, registry=EMPTY_REGISTRY, format_checker=checker)
    return made if (lost := _lost_reference(made, parsed)) is None else Refused(reason=lost)


def _only_texts(valid: Callable[[str], bool]) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, str) or valid(value)


def _unusable(schema: JsonObject) -> str | None:
    """Refuse what cannot be bounded, and references that would have to be fetched."""
    for part in _parts(schema):
        reference = part.get("$ref")
        if isinstance(reference, str) and not reference.startswith(_LOCAL):
            return f"the schema refers to {shorten(reference)!r}: nothing is fetched"
        properties = part.get("patternProperties")
        written = [part.get("pattern"), *(properties if isinstance(properties, dict) else ())]
        for pattern in written:
            ready = patterns.compiled(pattern) if isinstance(pattern, str) else None
            if isinstance(ready, Refused):
                return f"the schema's {ready.reason}"
    if any("unevaluatedProperties" in part for part in _parts(schema)) and any(
        "patternProperties" in part for part in _parts(schema)
    ):
        return "unevaluatedProperties beside patternProperties cannot be bounded in time"
    return None


def _lost_reference(validator: Any, schema: JsonObject) -> str | None:
    from referencing.exceptions import Unresolvable

    if any("$id" in part for part in _parts(schema)):
        return None  # what a reference means depends on where it stands: validation will say
    for part in _parts(schema):
        reference = part.get("$ref")
        if isinstance(reference, str):
            try:
                validator._resolver.lookup(reference)
            except Unresolvable:
                return f"the schema refers to {shorten(reference)!r}, which is not in it"
    return None


def _parts(schema: JsonValue) -> Iterator[JsonObject]:
    """Yield every object in a schema, the schema itself first; also those that are mere values in it."""
    waiting: list[JsonValue] = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)


@lru_cache(maxsize=1)
def _bounded_class() -> Any:
    jsonschema = import_module("jsonschema")

    bounded = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
        "multipleOf": _multiple_of,
    }
    return jsonschema.validators.extend(jsonschema.Draft202012Validator, bounded)


def _met(pattern: str, text: str) -> bool:
    ready = patterns.compiled(pattern)
    outcome = ready if isinstance(ready, Refused) else patterns.search(ready, text)
    if isinstance(outcome, Refused):
        raise _TookTooLongError(outcome.reason)
    return outcome


def _error(message: str) -> Any:
    jsonschema = import_module("jsonschema")

    return jsonschema.ValidationError(message)


def _pattern(_validator: Any, pattern: str, value: Any, _schema: Any) -> Iterator[Any]:
    if isinstance(value, str) and not _met(pattern, value):
        yield _error(f"{shorten(value)!r} does not match {shorten(pattern)!r}")


def _pattern_properties(validator: Any, rules: Any, value: Any, _schema: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for pattern, rule in rules.items():
            for key, member in value.items():
                if _met(pattern, key):
                    yield from validator.descend(member, rule, path=key, schema_path=pattern)


def _additional_properties(validator: Any, rule: Any, value: Any, schema: Any) -> Iterator[Any]:
    if not isinstance(value, dict):
        return
    properties, ruled = schema.get("properties", {}), schema.get("patternProperties", {})
    for key, member in value.items():
        if key in properties or any(_met(pattern, key) for pattern in ruled):
            continue
        if rule is False:
            yield _error(f"key {shorten(key)!r} is not expected")
        elif rule is not True:
            yield from validator.descend(member, rule, path=key)


def _multiple_of(_validator: Any, divisor: float, value: Any, _schema: Any) -> Iterator[Any]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if (Fraction(repr(value)) / Fraction(repr(divisor))).denominator != 1:
        yield _error(f"{value} is not a multiple of {divisor}")


def _unique_items(_validator: Any, unique: bool, value: Any, _schema: Any) -> Iterator[Any]:
    if unique and isinstance(value, list):
        texts = {canonical_json(normalize(element)) for element in value}
        if len(texts) != len(value):
            yield _error("the elements are not all different")
