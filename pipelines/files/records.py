"""Dataclasses to JSON files and back, through pydantic so that a damaged file is noticed."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import Digest, JsonObject, JsonValue, digest_of
from quantgate.pipelines.files.disk.full import written_at
from quantgate.pipelines.files.temporary import half_written
from quantgate.pipelines.files.validation_wording import sentence

Record = TypeVar("Record")

_SHARED_MODE = 0o644
"""Whatever a process's umask is, what is kept may be read by everybody who may enter the folder."""


def to_json(record: object) -> JsonValue:
    """Return a dataclass as plain JSON values; paths become strings."""
    value: JsonValue = _adapter(type(record)).dump_python(record, mode="json")
    return value


def from_json(record_type: type[Record], value: JsonValue) -> Record:
    """Build `record_type` from plain JSON values.

    Raises:
        pydantic.ValidationError: where the value does not fit the type.
    """
    return from_json_text(record_type, json.dumps(value))


def from_json_text(record_type: type[Record], text: str | bytes) -> Record:
    """Build `record_type` from a text of JSON.

    Raises:
        pydantic.ValidationError: where it is none, or does not fit the type.
    """
    parsed: Record = _adapter(record_type).validate_json(text)
    return parsed


def record_digest(record: object) -> Digest:
    """Return the digest of a dataclass's canonical JSON."""
    return digest_of(to_json(record))


def checksum(value: JsonValue) -> Digest:
    """Return the sha256 of a value's canonical JSON, in which NaN and infinities may stand.

    What is checked with it was written by this program; identities come from `digest_of`, which has no NaN.
    """
    return _digest(_canonical(value))


def _canonical(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _digest(canonical: str) -> Digest:
    return Digest(hashlib.sha256(canonical.encode()).hexdigest())


def write_checked(path: Path, record: object) -> None:
    """Write a dataclass with its checksum, so that `read_checked` notices an edited number."""
    value = to_json(record)
    document = {"record": value, "sha256": checksum(value)}
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def read_checked(record_type: type[Record], path: Path) -> Record:
    """Read back what `write_checked` wrote.

    Raises:
        InputError: where the file is missing, damaged, of another type, or was edited.
    """
    document = read_json(path)
    canonical = _canonical(document.get("record"))
    if document.get("sha256") != _digest(canonical):
        raise InputError("was edited or damaged", where=str(path), next_step=_AFTER_DAMAGE)
    try:
        return from_json_text(record_type, canonical)
    except ValidationError as error:
        raise _misfit(error, path) from error


def read_json(path: Path) -> JsonObject:
    """Read a file that holds one JSON object of this program's own.

    Raises:
        InputError: where it is missing, or holds something else.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(
            "file is missing", where=str(path), next_step="run the command that writes it again"
        ) from error
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError("is damaged", where=str(path), next_step=_AFTER_DAMAGE)
    return value


_AFTER_DAMAGE = "move it away and run the same command again"


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
        raise InputError(
            "file is missing", where=str(path), next_step="run the command that writes it again"
        ) from error
    except ValidationError as error:
        raise _misfit(error, path) from error


def _misfit(error: ValidationError, path: Path) -> InputError:
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    said = f"{place}: {sentence(problem)}" if place else sentence(problem)
    return InputError(
        f"is damaged or of another version ({said})",
        where=str(path),
        next_step=_AFTER_DAMAGE,
    )


_adapters: dict[Any, TypeAdapter[Any]] = {}


def _adapter(record_type: Any) -> TypeAdapter[Any]:
    """Building an adapter costs milliseconds, so each type's is kept."""
    if record_type not in _adapters:
        _adapters[record_type] = TypeAdapter(record_type)
    return _adapters[record_type]


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically and durably."""
    write_together({path: text.encode()})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files durably; none has its name before all of them are on the disk.

    Where that fails, nothing is left: neither files nor folders that were made for them.
    """
    with ExitStack() as stack:
        written = []
        for path, content in contents.items():
            stack.enter_context(_new_folders(path.parent))
            beside, file = stack.enter_context(half_written(path.parent))
            with written_at(path):
                os.fchmod(file.fileno(), _SHARED_MODE)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            written.append((beside, path))
        for beside, path in written:
            beside.replace(path)


@contextmanager
def _new_folders(folder: Path) -> Iterator[None]:
    """Make a folder and those above it; where the block fails, new ones go again that are empty."""
    new = []
    for each in (folder, *folder.parents):
        if each.exists():
            break
        new.append(each)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for each in new:
            with suppress(OSError):
                each.rmdir()
        raise
