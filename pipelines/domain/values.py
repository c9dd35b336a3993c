"""Values shared by every noun: digests and JSON."""

import hashlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NewType, TypeAlias

Digest = NewType("Digest", str)
"""Lower-case hexadecimal sha256 (64 characters)."""

if TYPE_CHECKING:
    JsonScalar: TypeAlias = bool | int | float | str | None
    JsonValue: TypeAlias = (
        JsonScalar | list["JsonValue"] | tuple["JsonValue", ...] | dict[str, "JsonValue"]
    )
    JsonObject: TypeAlias = dict[str, "JsonValue"]
else:  # record readers cannot resolve a recursive alias; JSON in is JSON out
    JsonValue = Any
    JsonObject = dict[str, Any]


def canonical_json(value: JsonValue) -> str:
    """Serialize with sorted keys and no spaces, so that equal values have equal text."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def text_or_json(value: JsonValue) -> str:
    """Return a text as it is, and every other value as JSON that people read."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def digest_of(value: JsonValue) -> Digest:
    """Return the sha256 of a value's canonical JSON."""
    return Digest(hashlib.sha256(canonical_json(value).encode()).hexdigest())


def folder_digest(files: Iterable[tuple[str, str]]) -> Digest:
    """Return one digest for named files (relative name, sha256), whatever order they come in."""
    return digest_of([[name, digest] for name, digest in sorted(files)])
