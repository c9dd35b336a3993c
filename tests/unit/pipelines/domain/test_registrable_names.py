"""Names that the registry could not carry are refused by `suite check` and by the plan, not after a build."""

import json
import re
from pathlib import Path

import pytest

from quantgate.pipelines.authoring.check import check_suite
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.registrable import (
    metric_part,
    model_name_problem,
    slice_problems,
    suite_name_problem,
)
from quantgate.pipelines.specs.builds import BuildFile
from quantgate.pipelines.specs.loading import validated
from quantgate.pipelines.specs.recipe_files import RecipeSpec
from quantgate.pipelines.suites.load import load_suite

LONG = "x" * 101
SUITE_NAMES = ["my.suite", "latest", "LATEST", "v3", "V12", "a b", "a/b", "é", "-a", "_a", "", LONG]
SLICES = [
    "..",
    ".",
    "a/../b",
    "a//b",
    "/a",
    "a/",
    "./a",
    " a",
    "a ",
    "",
    "a,b",
    "a\nb",
    "a\tb",
    LONG,
]


def write(folder: Path, name: str = "demo", slices: tuple[str, ...] = ("a",)) -> Path:
    suite = {
        "name": name,
        "version": 1,
        "grader": "exact",
        "decode": {"max_tokens": 8},
        "slices": {one: {} for one in slices},
    }
    row = {"id": "1", "prompt": "2+2?", "expected": "4", "slices": list(slices)}
    (folder / "suite.yaml").write_text(json.dumps(suite))
    (folder / "items.jsonl").write_text(json.dumps(row) + "\n")
    return folder


@pytest.mark.parametrize("name", SUITE_NAMES)
def test_a_suite_name_that_cannot_be_an_alias_is_refused_with_its_file(
    tmp_path: Path, name: str
) -> None:
    folder = write(tmp_path, name=name)
    with pytest.raises(InputError, match=r"suite\.yaml: cannot be used"):
        load_suite(folder)
    report = check_suite(folder, policy_file=None, model=None, read_table=None)
    assert report.exit_code == 2
    assert any("name: " in one.text and one.line == 1 for one in report.problems)


@pytest.mark.parametrize("name", SLICES)
def test_a_slice_name_that_cannot_be_a_metric_is_refused(tmp_path: Path, name: str) -> None:
    assert list(slice_problems([name]))
    if name:
        report = check_suite(
            write(tmp_path, slices=(name,)), policy_file=None, model=None, read_table=None
        )
        assert any("slice" in one.text for one in report.problems)


@pytest.mark.parametrize(
    "name", ["a", "a b", "a.b", "…", "numeric/large", "long_8k", "日本語", "a&b", "...a", "x" * 100]
)
def test_a_slice_name_that_can_be_one_is_let_through(name: str) -> None:
    assert not list(slice_problems([name]))


def test_two_slices_that_would_be_one_metric_are_refused() -> None:
    assert metric_part("a!") == metric_part("a?")
    (problem,) = slice_problems(["a!", "b", "a?"])
    assert "'a!' and 'a?' would be one in the registry" in problem


@pytest.mark.parametrize("name", ["..", "..a", "a/b", "a:b", "a@b", " a", "", "a'b", "a\0", LONG])
def test_a_model_name_that_cannot_be_registered_is_refused_in_the_build_file(name: str) -> None:
    assert model_name_problem(name)
    found = validated({"model": "m", "suite": "s", "name": name}, BuildFile)
    assert isinstance(found, list)
    assert any(text.startswith("name: ") for text in found)


def test_a_recipe_name_longer_than_a_file_name_is_refused() -> None:
    found = validated({"name": LONG}, RecipeSpec)
    assert isinstance(found, list)
    assert "name: may have 100 characters at most" in found


def test_the_rules_are_no_wider_than_mlflows_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its patterns are read from its source: importing MLflow takes seconds."""
    import importlib.util

    spec = importlib.util.find_spec("mlflow")
    assert spec is not None
    assert spec.submodule_search_locations
    source = (Path(spec.submodule_search_locations[0]) / "utils" / "validation.py").read_text()
    alias = re.search(r'_REGISTERED_MODEL_ALIAS_REGEX = re\.compile\(r"(.+)"\)', source)
    metric = re.search(r'return re\.match\(r"(\^\[/\\w\.\\- :\]\*\$)", name\)', source)
    longest = re.search(r"MAX_ENTITY_KEY_LENGTH = (\d+)", source)
    assert alias
    assert metric
    assert longest
    for name in ("a", "A-1_b", "x" * 100):
        assert suite_name_problem(name) is None
        assert re.match(alias[1], name)
    for name in ("a b", "日本語", "a&b", "x" * 100):
        key = f"slice/{metric_part(name)}/accuracy_reference"
        assert re.match(metric[1], key)
        assert len(key) <= int(longest[1])
