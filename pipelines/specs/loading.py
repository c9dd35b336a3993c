"""YAML and JSON lines to pydantic models: every problem of a file at once, with its line."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.json_text import JsonTextError, parse_json
from quantgate.pipelines.files.reading import numbered_lines
from quantgate.pipelines.files.validation_wording import place, sentence
from quantgate.pipelines.specs.yaml_text import line_of, read_yaml, refused

_NAMED = 60
"""Characters of a column's name that a sentence shows."""


class Spec(BaseModel):
    """Base of everything a person writes: frozen, unknown keys refused, a JSON schema for editors.

    A docstring below a field is its description in that schema.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


Model = TypeVar("Model", bound=BaseModel)
Place: TypeAlias = tuple[int | str, ...]
"""Keys and positions on the way to a value of a document."""


def load_yaml(path: Path, model: type[Model]) -> Model:
    """Read a YAML file into `model`.

    Raises:
        InputError: naming the file and every problem in it with its line, and near-miss keys.
    """
    document = read_yaml(path)
    if document is None:
        raise InputError("is empty", where=str(path), next_step=f"it needs {_keys(model)}")
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        problems = [
            f"line {line_of(document.root, where)}: {text}"
            for where, text in _placed(error, model, document.value)
        ]
        raise refused(path, problems) from error


def load_json_lines(path: Path, model: type[Model]) -> tuple[Model, ...]:
    """Read a JSON-lines file, one `model` a line; blank lines are skipped.

    Raises:
        InputError: naming the file and its first twenty problems with their lines.
    """
    rows: list[Model] = []
    problems: list[str] = []
    for number, line in numbered_lines(path):
        row = read_row(line, model)
        if isinstance(row, model):
            rows.append(row)
        else:
            problems += [f"line {number}: {text}" for text in row]
    if problems:
        raise refused(path, problems)
    return tuple(rows)


def read_row(line: str, model: type[Model]) -> Model | list[str]:
    """Return a line of JSON as `model`, or one sentence for each thing that is wrong with it."""
    try:
        return validated(parse_json(line), model)
    except JsonTextError as error:
        return [not_json(error)]


def validated(value: object, model: type[Model]) -> Model | list[str]:
    """Return plain JSON values as `model`, or one sentence for each thing that is wrong with them."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        return [text for _, text in _placed(error, model, value)]


def not_json(error: JsonTextError) -> str:
    """Return the sentence about a line that is not JSON."""
    return f"is not valid JSON: {error}"


def did_you_mean(word: str, words: Sequence[str]) -> str:
    """Return ` (did you mean 'x'?)`, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f" (did you mean '{near[0]}'?)" if near else ""


def listed_columns(names: Sequence[str]) -> str:
    """Return names of columns for a sentence; where the first line is a row, they are whole texts."""
    return (
        ", ".join(name if len(name) <= _NAMED else f"{name[:_NAMED]}…" for name in names) or "none"
    )


def validation_sentences(error: ValidationError, document: object) -> Iterator[str]:
    """Yield one sentence for each place of a document that does not fit a dataclass."""
    for _, text in _placed(error, BaseModel, document):
        yield text


def _placed(
    error: ValidationError, model: type[BaseModel], document: object
) -> Iterator[tuple[Place, str]]:
    """Yield what is wrong with its place; what all parts of a union say of one place is one sentence."""
    sentences: dict[Place, list[str]] = {}
    details = [(place(detail, document), detail) for detail in error.errors()]
    broken_lists = {where[:-1] for where, _ in details if where}
    looked_into = {where[:depth] for where, _ in details for depth in range(len(where))}
    for where, detail in details:
        if detail["type"] == "too_short" and where in broken_lists:
            continue  # pydantic counts what is left of a list without its wrong entries
        if detail["type"] == "string_type" and where in looked_into:
            continue  # of a text or an object, what is an object is told what is wrong inside of it
        sentences.setdefault(where, []).append(_sentence(detail, where, model))
    for where, texts in sentences.items():
        name = ".".join(map(str, where))
        joined = ", or ".join(dict.fromkeys(texts))
        yield where, f"{name}: {joined}" if name and not _names_its_key(joined) else joined


def _names_its_key(text: str) -> bool:
    return text.startswith(("unknown key '", "key '"))


def _sentence(detail: ErrorDetails, where: Place, model: type[BaseModel]) -> str:
    name = ".".join(map(str, where))
    if detail["type"] == "extra_forbidden":
        near = did_you_mean(str(detail["loc"][-1]), _field_names(model, detail["loc"][:-1]))
        return f"unknown key '{name}'{near}"
    if detail["type"] == "missing":
        return f"key '{name}' is missing"
    return sentence(detail)


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
