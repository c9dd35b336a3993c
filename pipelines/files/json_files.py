"""JSON files of checkpoints: read whole, or refused with the file's name. Standard library only."""

from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.json_text import JsonTextError, parse_structure
from quantgate.pipelines.files.reading import decoded, holds_file, read_bytes

_LARGEST_FILE_BYTES = 512 << 20
"""Vocabularies have tens of megabytes."""
_MARK = "\ufeff"
_AGAIN = "mend it, or take it again from where the checkpoint came from"


def read_json_object(path: Path) -> JsonObject:
    """Return a JSON file's object, {} where the file does not exist.

    Raises:
        CheckpointError: where it is not a JSON object.
    """
    if not is_given(path):
        return {}
    text = _text(path)
    if text.startswith(_MARK):
        raise CheckpointError(
            "begins with a byte-order mark, which other programs refuse in JSON",
            where=str(path),
            next_step="save it as UTF-8 without one",
        )
    try:
        value = parse_structure(text)
    except JsonTextError as error:
        raise CheckpointError(
            f"is not valid JSON (line {error.line}: {error})", where=str(path), next_step=_AGAIN
        ) from error
    if not isinstance(value, dict):
        raise CheckpointError(
            "does not hold a JSON object (curly brackets)", where=str(path), next_step=_AGAIN
        )
    return value


def is_given(path: Path) -> bool:
    """Whether a checkpoint has this file.

    Raises:
        CheckpointError: what has its name is no file.
    """
    try:
        return holds_file(path)
    except InputError as error:
        raise CheckpointError(error.what, where=error.where, next_step=error.next_step) from error


def read_text(path: Path) -> str:
    """Return a file's text, its lines ended as Python ends them.

    Raises:
        CheckpointError: where it cannot be read, or is not UTF-8.
    """
    return _text(path).replace("\r\n", "\n").replace("\r", "\n")


def _text(path: Path) -> str:
    try:
        return decoded(read_bytes(path, _LARGEST_FILE_BYTES), path)
    except InputError as error:
        raise CheckpointError(error.what, where=str(path), next_step=error.next_step) from error
