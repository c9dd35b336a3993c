"""Whether a value is one of those that BFCL's answer format allows, and whether a call's arguments are.

An argument has a list of allowed values; the text "" in it says that the argument may be left out. An
allowed value that is an object has such a list for each of its keys; an allowed array is taken element by
element. Source: `ast_checker.py` of the Berkeley Function-Calling Leaderboard (bfcl_eval), and the files
under `possible_answer` that it reads.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.graders.calls.tool_schemas import (
    declared_kinds,
    kind,
    parameter,
    required_names,
)
from quantgate.pipelines.evaluation.graders.reading.strict_json import member, show

StringRule = Literal["bfcl", "exact"]

_OPTIONAL = ""
# BFCL's rule: these count for nothing between texts, nor do case and the kind of quote.
_IGNORED = re.compile(r"[ ,./\-_*^]")
_NUMBER = re.compile(r"[+-]?\d{1,4000}(?:\.\d{1,4000})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """How a call's arguments meet what is allowed: how many do, of how many, and the first problem."""

    right: int
    total: int
    problem: str | None


def judge_arguments(
    arguments: JsonObject, allowed: JsonObject, parameters: JsonObject | None, strings: StringRule
) -> Arguments:
    """Hold a call's arguments against the allowed ones; `parameters` is the tool's schema, None unknown.

    Order of problems: what is missing, what is too much, then values in the order of `allowed`.
    """
    schema = parameters or {}
    required = set(required_names(schema))
    missing = [
        f"missing argument {member('$', name)}"
        for name, values in allowed.items()
        if name not in arguments and (name in required or not may_be_absent(values))
    ]
    missing += [
        f"missing argument {member('$', name)}, which the tool requires"
        for name in required
        if name not in arguments and name not in allowed
    ]
    extra = [f"extra argument {member('$', name)}" for name in arguments if name not in allowed]
    wrong = [
        problem
        for name, values in allowed.items()
        if name in arguments
        and (problem := _value_problem(name, arguments[name], values, schema, strings))
    ]
    problems = [*missing, *extra, *wrong]
    total = (
        len(allowed) + len(extra) + sum(name not in allowed for name in required - set(arguments))
    )
    right = max(0, total - len(problems))
    return Arguments(right=right, total=total, problem=problems[0] if problems else None)


def may_be_absent(values: JsonValue) -> bool:
    """Say whether a list of allowed values marks its argument as optional."""
    return isinstance(values, list | tuple) and _OPTIONAL in values


def is_allowed(value: JsonValue, values: JsonValue, strings: StringRule) -> bool:
    """Say whether a normalized value is among the allowed ones.

    A list without any allowed value stands for the empty array, and what is no list for itself: some of
    BFCL's rows are written so.
    """
    if not isinstance(values, list | tuple):
        return _same(value, values, strings)
    if not values:
        return value == []
    return any(_meets(value, allowed, strings) for allowed in values)


def _value_problem(
    name: str, value: JsonValue, values: JsonValue, schema: JsonObject, strings: StringRule
) -> str | None:
    kinds = declared_kinds(parameter(schema, name))
    # "" is the mark of an optional argument; a value it is only where the tool takes texts.
    marked = value == _OPTIONAL and kinds is not None and "string" not in kinds
    if is_allowed(value, values, strings) and not marked:
        return None
    if kinds is not None and kind(value) not in kinds:
        expected_kinds = " or ".join(sorted(kinds))
        return f"wrong type at {member('$', name)}: {kind(value)} {show(value)} instead of {expected_kinds}"
    return f"wrong value at {member('$', name)}: {show(value)} instead of {_show_allowed(values)}"


def _meets(value: JsonValue, allowed: JsonValue, strings: StringRule) -> bool:
    """Hold a value against one allowed value; the keys of an allowed object have lists of their own."""
    if isinstance(allowed, dict) and isinstance(value, dict):
        return all(key in allowed for key in value) and all(
            is_allowed(value[key], values, strings) if key in value else may_be_absent(values)
            for key, values in allowed.items()
        )
    if isinstance(allowed, list | tuple) and isinstance(value, list):
        return len(allowed) == len(value) and all(
            _meets(element, allowed_element, strings)
            for element, allowed_element in zip(value, allowed, strict=True)
        )
    return _same(value, allowed, strings)


def _same(value: JsonValue, expected: JsonValue, strings: StringRule) -> bool:
    """Equal values of one kind; 5 and 5.0 are one number, true is none."""
    if isinstance(value, str) and isinstance(expected, str):
        return value == expected if strings == "exact" else _same_text(value, expected)
    if isinstance(value, bool) or isinstance(expected, bool):
        return value is expected
    if isinstance(value, int | float) and isinstance(expected, int | float):
        return value == expected
    return kind(value) == kind(expected) and value == expected


def _same_text(text: str, expected: str) -> bool:
    """BFCL's rule, but for numbers and for texts of which it would leave nothing: they are compared whole.

    BFCL itself takes "3.5" for "35" and "-5" for "5".
    """
    if text.strip() == expected.strip():
        return True
    if _NUMBER.fullmatch(text.strip()) and _NUMBER.fullmatch(expected.strip()):
        return False
    plain = _plain(expected)
    return bool(plain) and _plain(text) == plain


def _plain(text: str) -> str:
    return _IGNORED.sub("", text).lower().replace("'", '"')


def _show_allowed(values: JsonValue) -> str:
    shown: Sequence[JsonValue] = values if isinstance(values, list | tuple) else [values]
    named = [show(value) for value in shown if value != _OPTIONAL]
    several = f" (or {len(named) - 1} other allowed values)" if len(named) > 1 else ""
    return (named[0] if named else "nothing") + several
