"""JSON lines and JSON documents of other tools, read within bounds."""

from collections.abc import Iterator
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.files.json_text import JsonTextError, parse_structure
from quantgate.pipelines.files.reading import numbered_lines
from quantgate.pipelines.specs.loading import not_json


def json_lines(path: Path) -> Iterator[JsonObject]:
    """Yield the objects of a file of JSON lines.

    Raises:
        InputError: naming the first line that is none.
    """
    for number, line in numbered_lines(path):
        try:
            value = parse_structure(line)
        except JsonTextError as error:
            raise InputError(
                f"line {number}: {not_json(error)}",
                where=str(path),
                next_step="mend this line, or export the log anew",
            ) from error
        if not isinstance(value, dict):
            raise InputError(
                f"line {number}: is not a JSON object",
                where=str(path),
                next_step="write one JSON object a line",
            )
        yield value


def json_document(text: str, where: str) -> JsonObject:
    """Return the one object that a document is.

    Raises:
        InputError: it is none.
    """
    try:
        value: JsonValue = parse_structure(text)
    except JsonTextError as error:
        raise InputError(
            not_json(error), where=where, next_step="mend the file, or export the log anew"
        ) from error
    if not isinstance(value, dict):
        raise InputError(
            "is not a JSON object", where=where, next_step="name the log as the tool wrote it"
        )
    return value


def texts_at(value: JsonValue) -> str:
    """Return the text of a content: itself, or its text parts one after the other."""
    if isinstance(value, str):
        return value
    parts = value if isinstance(value, list) else []
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, dict))


def object_at(value: JsonValue, *names: str) -> JsonObject:
    """Return the object that names lead to, an empty one where they lead nowhere."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def names_at(value: JsonValue) -> tuple[str, ...]:
    """Return a name, or a list of names, as slices."""
    parts = value if isinstance(value, list) else [value]
    return tuple(str(part) for part in parts if isinstance(part, str | int) and str(part).strip())
