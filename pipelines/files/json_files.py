"""JSON files of checkpoints: read whole, or refused with the file's name. Standard library only."""

from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.json_text import JsonTextError, parse_structure
from quantgate.pipelines.files.reading import read_bytes

_LARGEST_FILE_BYTES = 512 << 20
"""Vocabularies have tens of megabytes."""


def read_json_object(path: Path) -> JsonObject:
    """Return a JSON file's object, {} where the file does not exist.

    Raises:
        CheckpointError: where it is not a JSON object.
    """
    if not path.is_file():
        return {}
    try:
        value = parse_structure(_text(path))
    except JsonTextError as error:
        raise CheckpointError(
            f"is not valid JSON (line {error.line}: {error})", where=str(path)
        ) from error
    if not isinstance(value, dict):
        raise CheckpointError("does not hold a JSON object", where=str(path))
    return value


def read_text(path: Path) -> str:
    """Return a file's text, its lines ended as Python ends them.

    Raises:
        CheckpointError: where it cannot be read, or is not UTF-8.
    """
    return _text(path).replace("\r\n", "\n").replace("\r", "\n")


def _text(path: Path) -> str:
    try:
        return read_bytes(path, _LARGEST_FILE_BYTES).decode()
    except InputError as error:
        raise CheckpointError(error.what, where=str(path)) from error
    except UnicodeDecodeError as error:
        raise CheckpointError(f"cannot be read ({error})", where=str(path)) from error
