"""YAML and JSON lines to pydantic models: every problem of a file at once, with its line."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from pipelines.domain.errors import InputError
from pipelines.files.json_text import JsonTextError, parse_json
from pipelines.files.reading import numbered_lines, read_text


class Spec(BaseModel):
    """Base of everything a person writes: frozen, unknown keys refused, a JSON schema for editors.

    A docstring below a field is its description in that schema.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


Model = TypeVar("Model", bound=BaseModel)


def load_yaml(path: Path, model: type[Model]) -> Model:
    """Read a YAML file into `model`.

    Raises:
        InputError: naming the file and every problem in it with its line, and near-miss keys.
    """
    root = _compose(path)
    if root is None:
        raise InputError("is empty", where=str(path), next_step=f"it needs {_keys(model)}")
    duplicates = [
        f"line {line}: key '{key}' stands here twice" for key, line in _duplicate_keys(root)
    ]
    if duplicates:
        raise _refused(path, duplicates)
    try:
        return model.model_validate(yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader))
    except ValidationError as error:
        raise _refused(
            path,
            [
                f"line {_line(root, detail['loc'])}: {_sentence(detail, model)}"
                for detail in error.errors()
            ],
        ) from error


def load_json_lines(path: Path, model: type[Model]) -> tuple[Model, ...]:
    """Read a JSON-lines file, one `model` a line; blank lines are skipped.

    Raises:
        InputError: naming the file and its first twenty problems with their lines.
    """
    rows: list[Model] = []
    problems: list[str] = []
    for number, line in numbered_lines(path):
        try:
            rows.append(model.model_validate(parse_json(line)))
        except JsonTextError as error:
            problems.append(f"line {number}: {not_json(error)}")
        except ValidationError as error:
            problems += [f"line {number}: {_sentence(d, model)}" for d in error.errors()]
    if problems:
        raise _refused(path, problems)
    return tuple(rows)


def not_json(error: JsonTextError) -> str:
    """Return the sentence about a line that is not JSON."""
    return f"is not valid JSON: {error}"


def sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return what a validation error says of a document for `model`, one sentence a problem."""
    return [_sentence(detail, model) for detail in error.errors()]


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return ` (did you mean 'x'?)`, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean '{near[0]}'?)" if near else ""


def _compose(path: Path) -> yaml.Node | None:
    try:
        return yaml.compose(read_text(path), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"is not valid YAML: {reason}", where=str(path)) from error


def _refused(path: Path, problems: list[str]) -> InputError:
    shown = problems[:20]
    more = f"\n  … and {len(problems) - 20} more" if len(problems) > 20 else ""
    return InputError("\n  ".join(["cannot be used:", *shown]) + more, where=str(path))


def _duplicate_keys(node: yaml.Node) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.value, key.start_mark.line + 1
            seen.add(key.value)
            yield from _duplicate_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _duplicate_keys(child)


def _line(node: yaml.Node, location: tuple[int | str, ...]) -> int:
    """Return the line of the deepest node on the way to a pydantic error location."""
    line = node.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                continue  # a union tag of pydantic's, not a key of the file
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _sentence(detail: ErrorDetails, model: type[BaseModel]) -> str:
    place = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        key = str(detail["loc"][-1])
        return f"unknown key '{place}'{did_you_mean(key, _field_names(model, detail['loc'][:-1]))}"
    if detail["type"] == "missing":
        return f"key '{place}' is missing"
    if detail["type"] == "json_invalid":
        return str(detail["msg"])
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _field_names(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the keys known at a location, over all union members on the way."""
    models = [model]
    for part in location:
        deeper = [
            nested
            for current in models
            if part in current.model_fields
            for nested in _models_in(current.model_fields[str(part)].annotation)
        ]
        models = deeper or models
    return [name for current in models for name in current.model_fields]


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [nested for argument in get_args(annotation) for nested in _models_in(argument)]


def _keys(model: type[BaseModel]) -> str:
    return ", ".join(model.model_fields)
