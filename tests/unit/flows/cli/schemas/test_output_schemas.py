"""What commands print as JSON fits the schema that `quantgate schema` prints of it."""

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from quantgate.flows.cli.main import main
from quantgate.flows.cli.schemas.outputs import OUTPUTS
from quantgate.pipelines.specs.json_schemas import SCHEMAS
from tests.support.project import EXAMPLE

UNSEEN = {"quantgate.verify/1", "quantgate.pull/1"}
"""They ask for weights, which the demo has none of."""

OF_A_SHARED_STORE = {f"quantgate.store-{name}/1" for name in ("list", "push", "pull", "clean")}
"""Checked in `test_shared_store.py`, where there is one."""

AUTHORING = {
    *("quantgate.corpus-build/1", "quantgate.corpus-check/1", "quantgate.corpus-list/1"),
    *(
        "quantgate.corpus-show/1",
        "quantgate.suite-check/1",
        "quantgate.releases/1",
        "quantgate.gc/1",
    ),
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that `quantgate demo` writes: a real build, judged again, with its registry."""
    folder = tmp_path_factory.mktemp("demo") / "store"
    result = CliRunner().invoke(main, ["demo", "--to", str(folder)])
    assert result.exit_code == 0, result.output
    return folder


def printed(store: Path, *arguments: str) -> object:
    result = CliRunner().invoke(main, list(arguments), env={"QUANTGATE_STORE": str(store)})
    assert result.exit_code in (0, 10, 11), result.output
    return json.loads(result.stdout)


def check(value: object) -> str:
    assert isinstance(value, dict)
    name = str(value["schema"])
    shown = CliRunner().invoke(main, ["schema", name])
    assert shown.exit_code == 0, shown.output
    jsonschema.validate(value, json.loads(shown.stdout))
    return name


def test_every_output_of_a_store_and_its_registry_fits_its_schema(demo: Path) -> None:
    build = next(demo.glob("reports/*/result.json"))
    runs = demo / "transcripts"
    both = [str(runs / "base-llamacpp-1.jsonl"), str(runs / "Q2_K.jsonl")]
    values = [
        json.loads(build.read_text(encoding="utf-8")),
        printed(demo, "lookup", "support-llama", "--json"),
        printed(demo, "lookup", "support-llama", "--all", "--json"),
        printed(demo, "lineage", "support-llama@support-desk", "--json"),
        printed(demo, "history", "support-llama", "--json"),
        printed(demo, "compare", "support-llama/1", "support-llama/2", "--json"),
        printed(demo, "report", "--json"),
        printed(demo, "status", "--json"),
        printed(demo, "recipes", "--json"),
        printed(demo, "recommend", str(EXAMPLE / "checkpoint"), "--memory", "1GB", "--json"),
        printed(demo, "judge", *both, "--suite", str(EXAMPLE / "suite"), "--json"),
    ]
    assert {
        check(value) for value in values
    } == OUTPUTS.keys() - UNSEEN - AUTHORING - OF_A_SHARED_STORE


def test_every_output_about_suites_corpora_and_stores_fits_its_schema(tmp_path: Path) -> None:
    desk = EXAMPLE / "suite"
    rows = (EXAMPLE / "traffic" / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "traffic.jsonl").write_text("\n".join(rows[:80]), encoding="utf-8")
    spec = tmp_path / "corpus.yaml"
    spec.write_text("name: desk\nsequences: 20\nsources: [{path: traffic.jsonl}]\n")
    store = tmp_path / "store"
    values = [
        printed(store, "corpus", "build", str(spec), "--json"),
        printed(store, "corpus", "list", "--json"),
        printed(store, "corpus", "show", "desk", "--json"),
        printed(store, "corpus", "check", "desk", "--suite", str(desk), "--json"),
        printed(store, "suite", "check", str(desk), "--json"),
        printed(store, "releases", "--json"),
        printed(store, "gc", "--dry-run", "--json"),
    ]
    assert {check(value) for value in values} == AUTHORING


def test_a_value_of_another_kind_does_not_fit(demo: Path) -> None:
    value = printed(demo, "lookup", "support-llama", "--json")
    assert isinstance(value, dict)
    value["facts"]["size_bytes"] = "many"
    with pytest.raises(jsonschema.ValidationError):
        check(value)


def test_schemas_of_files_are_printed_as_they_are_kept_and_short_names_do(demo: Path) -> None:
    shown = CliRunner().invoke(main, ["schema", "build"])
    assert shown.stdout == (SCHEMAS / "build.json").read_text(encoding="utf-8")
    result = CliRunner().invoke(main, ["schema", "result"])
    assert json.loads(result.stdout)["title"] == "quantgate.result/1"
    assert "quantgate.result/1" in CliRunner().invoke(main, ["schema"]).stdout


def test_a_schema_that_there_is_not_is_refused_with_its_neighbour() -> None:
    refused = CliRunner().invoke(main, ["schema", "biuld"])
    assert refused.exit_code == 2
    assert "did you mean 'build'" in refused.stderr
