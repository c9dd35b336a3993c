"""The JSON schemas that editors use, held against the models that parse and the files that are shipped."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from quantgate.flows.cli.reference.writing import REFERENCE, reference_text
from quantgate.flows.schemas import LINES, MODELS
from quantgate.pipelines.specs.json_schemas import SCHEMAS, schema_text
from quantgate.pipelines.specs.recipes import CATALOGUE
from tests.support.project import PROJECT

FILES = {
    "build": ["examples/support-desk/build.yaml"],
    "corpus": ["examples/support-desk/corpus.yaml"],
    "policy": ["examples/support-desk/policy.yaml"],
    "suite": ["examples/support-desk/suite/suite.yaml"],
    "releases": ["flows/releases.yaml"],
}


@pytest.mark.parametrize("name", sorted(MODELS | LINES))
def test_a_schema_is_what_its_model_says_now(name: str) -> None:
    shipped = (SCHEMAS / f"{name}.json").read_text()
    assert shipped == schema_text((MODELS | LINES)[name]), "run `make schemas`"


def test_no_schema_is_left_of_a_model_that_is_gone() -> None:
    assert {path.stem for path in SCHEMAS.iterdir()} == set(MODELS) | set(LINES)


@pytest.mark.parametrize(
    ("name", "file"), [(name, file) for name, files in FILES.items() for file in files]
)
def test_a_shipped_file_names_its_schema_and_fits_it(name: str, file: str) -> None:
    path = PROJECT / file
    first = path.read_text().splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == SCHEMAS / f"{name}.json"
    jsonschema.validate(yaml.safe_load(path.read_text()), schema(name))


@pytest.mark.parametrize("path", sorted(CATALOGUE.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bundled_recipe_fits_the_schema(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text()), schema("recipe"))


def test_the_schema_refuses_what_the_program_refuses() -> None:
    recipe = yaml.safe_load((CATALOGUE / "Q2_K.yaml").read_text())
    for wrong in ({"kv_cache": "q8"}, {"unknown": 1}, {"format": "zip"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(recipe | wrong, schema("recipe"))


def test_an_editor_is_told_what_a_key_is_for() -> None:
    for name in MODELS:
        for key, said in schema(name)["properties"].items():
            described = "description" in said or "$ref" in said
            assert described, f"{name}: {key}"


def schema(name: str) -> dict[str, dict[str, dict[str, object]]]:
    loaded: dict[str, dict[str, dict[str, object]]] = json.loads(
        (SCHEMAS / f"{name}.json").read_text()
    )
    return loaded


def test_the_reference_page_is_what_commands_and_schemas_say_now() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == reference_text(), "run `make schemas`"
