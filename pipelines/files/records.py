"""Dataclasses to JSON files and back, through pydantic so that a damaged file is noticed."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from pipelines.domain.errors import InputError
from pipelines.domain.values import Digest, JsonValue, digest_of

Record = TypeVar("Record")

_SHARED_MODE = 0o644
"""Temporary files are private; what is kept may be read by everybody who may enter the folder."""


def to_json(record: object) -> JsonValue:
    """Return a dataclass as plain JSON values; paths become strings."""
    value: JsonValue = _adapter(type(record)).dump_python(record, mode="json")
    return value


def from_json(record_type: type[Record], value: JsonValue) -> Record:
    """Build `record_type` from plain JSON values.

    Raises:
        pydantic.ValidationError: where the value does not fit the type.
    """
    parsed: Record = _adapter(record_type).validate_json(json.dumps(value))
    return parsed


def record_digest(record: object) -> Digest:
    """Return the digest of a dataclass's canonical JSON."""
    return digest_of(to_json(record))


def write_record(path: Path, record: object) -> None:
    """Write a dataclass as indented JSON, atomically (a reader sees the old file or the new one)."""
    write_text(path, json.dumps(to_json(record), indent=1, ensure_ascii=False) + "\n")


def read_record(record_type: type[Record], path: Path) -> Record:
    """Read a dataclass back.

    Raises:
        InputError: where the file is missing, is not JSON, or does not fit the type.
    """
    try:
        record: Record = _adapter(record_type).validate_json(path.read_bytes())
        return record
    except FileNotFoundError as error:
        raise InputError("file is missing", where=str(path)) from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise InputError(
            f"is damaged or of another version ({place}: {problem['msg']})",
            where=str(path),
            next_step="move it away and run the same command again",
        ) from error


_adapters: dict[Any, TypeAdapter[Any]] = {}


def _adapter(record_type: Any) -> TypeAdapter[Any]:
    """Building an adapter costs milliseconds, so each type's is kept."""
    if record_type not in _adapters:
        _adapters[record_type] = TypeAdapter(record_type)
    return _adapters[record_type]


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically and durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), _SHARED_MODE)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
