"""What an item's expectation says of an answer's text: patterns, manners and tests say nothing."""

import json
from collections.abc import Iterable

from quantgate.pipelines.domain.suites.suite import GraderKind, Item
from quantgate.pipelines.domain.values import JsonValue

_NO_TEXT: frozenset[GraderKind] = frozenset({"regex", "refusal", "language", "code", "lm_eval"})
"""Their expectations are patterns, manners, languages, programs that test, and documents of a task."""

_JSON: frozenset[GraderKind] = frozenset({"json", "tool_call", "bfcl"})


def expected_text(item: Item, kind: GraderKind) -> str:
    """Return what an answer to an item says, as far as its expectation is text or JSON.

    Of texts of which any is accepted all count; texts that must not stand in an answer do not. JSON keeps the
    suite's order of keys. `kind` is the item's grader's.
    """
    expected = item.expected
    if kind in _NO_TEXT or expected is None:
        return ""
    if kind in _JSON:
        return _json_text(expected)
    return "\n".join(_texts(expected))


def _json_text(expected: JsonValue) -> str:
    if isinstance(expected, dict) and "schema" in expected and set(expected) <= {"schema", "value"}:
        expected = expected.get("value")
    if expected is None or isinstance(expected, str):
        return expected or ""
    return json.dumps(expected, ensure_ascii=False, separators=(",", ":"))


def _texts(expected: JsonValue) -> Iterable[str]:
    if isinstance(expected, dict):
        if "value" in expected:  # a number and its unit
            yield " ".join(str(value) for value in expected.values() if value is not None)
        for key in ("answer", "all", "any"):
            yield from _texts(expected.get(key))
    elif isinstance(expected, list | tuple):
        for value in expected:
            yield from _texts(value)
    elif expected is not None and not isinstance(expected, bool):
        yield str(expected)
