"""What pydantic finds is said in our words, for every type of error that it has."""

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from quantgate.flows.schemas import MODELS
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.files.validation_wording import SENTENCES, place, sentence
from quantgate.pipelines.specs.loading import load_json_lines, load_yaml
from quantgate.pipelines.suites.files import ItemSpec, SuiteSpec

PYDANTIC = re.compile(
    r"Input|should|valid (dict|list|tuple|string|int)|[Tt]uple|[Dd]ict\b|permitted|Field required|"
    r"Value error|pydantic|unable to|str\b|NoneType|validation"
)


@pytest.mark.parametrize("kind", sorted(get_args(ErrorType)))
def test_every_type_of_error_has_a_sentence_of_ours(kind: str) -> None:
    template = SENTENCES[kind]
    names = set(re.findall(r"{(\w+)}", template)) - {"given"}
    detail = ErrorDetails(type=kind, loc=("a",), msg="", input=[], ctx=dict.fromkeys(names, 3))
    assert not PYDANTIC.search(sentence(detail))
    assert "{" not in sentence(detail)


def test_the_table_has_no_row_that_pydantic_does_not_have() -> None:
    assert set(SENTENCES) - {"string_not_ascii", "fraction_type", "fraction_parsing"} <= set(
        get_args(ErrorType)
    )


WRONG: list[JsonValue] = [
    None,
    True,
    3,
    -1,
    1e9,
    "x",
    "",
    [],
    [[]],
    [1, "x"],
    {},
    {"x": 1},
    {"x": {"y": []}},
]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_no_wrong_value_of_any_key_of_any_file_is_answered_in_pydantics_words(name: str) -> None:
    model = MODELS[name]
    for field in [*model.model_fields.values()]:
        for value in WRONG:
            _look(model, {field.alias or _name_of(model, field): value})
    for value in WRONG:
        _look(model, value)


def _name_of(model: type[BaseModel], field: object) -> str:
    return next(name for name, one in model.model_fields.items() if one is field)


def _look(model: type[BaseModel], value: object) -> None:
    try:
        model.model_validate(value)
    except ValidationError as error:
        for detail in error.errors():
            if detail["type"] not in ("value_error", "assertion_error"):
                said = sentence(detail)
                assert not PYDANTIC.search(said.replace("'", "")), said
            assert place(detail, value) is not None


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ('"slices": []', "slices: needs 1 or more, and has 0"),
        ('"slices": "a"', "slices: has to be a list, not 'a'"),
        ('"slices": [3]', "slices.0: has to be a text, not 3"),
        ('"slices": ["a"], "decode": {"max_tokens": 0}', "decode.max_tokens: has to be above 0, not 0"),
        ('"slices": ["a"], "decode": {"samples": 65}', "decode.samples: has to be 64 or less, not 65"),
        ('"slices": ["a"], "raw": "perhaps"', "raw: has to be true or false, not 'perhaps'"),
        ('"slices": ["a"], "tools": {"a": 1}', "tools: has to be a list, not an object"),
        ('"slices": ["a"], "schema": []', "schema: has to be an object (`key: value`), not an empty list"),
        ('"slices": ["a"], "grader": {"kind": "wise"}', "grader: has 'kind' wise, which has to be one of"),
        ('"slices": ["a"], "critical": null', "critical: has to be true or false, not null"),
    ],
)  # fmt: skip
def test_a_wrong_item_is_told_so_in_words_of_its_file(
    tmp_path: Path, row: str, sentence: str
) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(f'{{"id": "1", "prompt": "p", "expected": 1, {row}}}\n')
    with pytest.raises(InputError) as refused:
        load_json_lines(path, ItemSpec)
    assert f"line 1: {sentence}" in str(refused.value)


def test_parts_of_a_union_are_one_sentence_at_the_place_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(
        "name: a\nversion: 1\ngrader: exact\nslices: {bool: {critical: maybe}}\n"
        "decode: {max_tokens: 1,\n  constrained: sometimes}\n"
    )
    with pytest.raises(InputError) as refused:
        load_yaml(path, SuiteSpec)
    lines = refused.value.what.splitlines()[1:]
    assert lines == [
        "  line 6: decode.constrained: has to be true or false, not 'sometimes', or has to be 'both', "
        "not 'sometimes'",
        "  line 4: slices.bool.critical: has to be true or false, not 'maybe'",
    ]


def test_a_value_of_any_length_is_shown_in_a_few_words() -> None:
    adapter = TypeAdapter(int)
    for value in ("x" * 10_000, {"a": "x" * 10_000}, ["x"] * 10_000, "\ud800"):
        with pytest.raises(ValidationError) as refused:
            adapter.validate_python(value)
        said = sentence(refused.value.errors()[0])
        assert len(said) < 120
        said.encode()


class _Nested(BaseModel):
    inner: dict[str, int] = Field(default_factory=dict)


def test_a_missing_key_of_a_nested_object_is_named_with_its_way() -> None:
    document = {"inner": {"a": "x"}}
    with pytest.raises(ValidationError) as refused:
        _Nested.model_validate(document)
    assert place(refused.value.errors()[0], document) == ("inner", "a")
