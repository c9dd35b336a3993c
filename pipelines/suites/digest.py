"""The digest of a suite: what is asked and how it is judged, and nothing that came later and is not used.

Fields that a noun had from the beginning are always in it; one that was added since is in it where it is
not at its default. So a suite that nobody touched keeps its digest when this program learns something new.
"""

from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from typing import cast

from quantgate.pipelines.domain.suites.suite import DecodeSettings, Item, Message, Suite
from quantgate.pipelines.domain.suites.thoughts import FAMILIES
from quantgate.pipelines.domain.values import Digest, JsonObject, JsonValue, digest_of
from quantgate.pipelines.files.records import to_json

_FIRST_FIELDS: dict[type, frozenset[str]] = {
    Item: frozenset(
        (
            "id", "messages", "expected", "slices", "tools", "schema", "critical", "group", "grader",
            "decode", "raw",
        )
    ),
    Message: frozenset(("role", "content", "name", "tool_calls", "tool_call_id")),
    DecodeSettings: frozenset(
        ("max_tokens", "temperature", "seed", "samples", "stop", "constrained")
    ),
}  # fmt: skip


def suite_digest(suite: Suite, variables: JsonObject) -> Digest:
    """Return the digest of a suite; `variables` are its own template variables, without a build's."""
    return digest_of(
        {
            "name": suite.name,
            "version": suite.version,
            "grader": to_json(suite.grader),
            "decode": digested(suite.decode),
            "slices": to_json(suite.slices),
            "items": digested_items(suite.items),
            **({"thoughts": to_json(suite.thoughts)} if suite.thoughts != FAMILIES else {}),
            **({"template_variables": variables} if variables else {}),
        }
    )


def digested_items(items: Sequence[Item]) -> list[JsonValue]:
    """Return items as the digest sees them."""
    rows: list[JsonValue] = []
    for item in items:
        row = digested(item)
        row["messages"] = [digested(message) for message in item.messages]
        if item.decode is not None:
            row["decode"] = digested(item.decode)
        rows.append(row)
    return rows


def digested(noun: Item | Message | DecodeSettings) -> JsonObject:
    """Return a noun's fields as the digest sees them."""
    first = _FIRST_FIELDS[type(noun)]
    values = cast("JsonObject", to_json(noun))
    return {
        field.name: values[field.name]
        for field in fields(noun)
        if field.name in first or getattr(noun, field.name) != _default(field)
    }


def _default(field: "Field[object]") -> object:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else MISSING
