"""What commands print as JSON fits the schema that `quantgate schema` prints of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import jsonschema
import pytest
from click.testing import CliRunner

from quantgate.flows.cli.main import main
from quantgate.flows.cli.schemas.outputs import OUTPUTS
from quantgate.pipelines.specs.json_schemas import SCHEMAS
from tests.support.project import EXAMPLE
from tests.support.schemas import require_schema

UNSEEN = {"quantgate.verify/1", "quantgate.pull/1"}
"""They ask for weights, which the demo has none of."""

OF_A_SHARED_STORE = {f"quantgate.store-{name}/1" for name in ("list", "push", "pull", "clean")}
"""Checked in `test_shared_store.py`, where there is one."""

OF_A_REGISTRY = {f"quantgate.{name}/1" for name in ("attest", "bundle", "publish", "corpus-drift")}
"""Checked in integration tests of the registry, which has what they are about."""

OF_A_BUILT_STORE = {"quantgate.scale/1"}
"""Checked in `test_road.py`, where something was built."""

AUTHORING = {
    *("quantgate.corpus-build/1", "quantgate.corpus-check/1", "quantgate.corpus-list/1"),
    "quantgate.corpus-diff/1",
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
    assert {require_schema(value) for value in values} == (
        OUTPUTS.keys()
        - UNSEEN
        - AUTHORING
        - OF_A_SHARED_STORE
        - OF_A_REGISTRY
        - OF_A_BUILT_STORE
        - {"quantgate.report-tables/1"}
    )
    tables = printed(demo, "report", "support-llama", "--as", "json")
    assert require_schema(tables) == "quantgate.report-tables/1"


def test_every_output_about_suites_corpora_and_stores_fits_its_schema(tmp_path: Path) -> None:
    desk = EXAMPLE / "suite"
    rows = (EXAMPLE / "traffic" / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "traffic.jsonl").write_text("\n".join(rows[:80]), encoding="utf-8")
    spec = tmp_path / "corpus.yaml"
    spec.write_text("name: desk\nsequences: 20\nsources: [{path: traffic.jsonl}]\n")
    store = tmp_path / "store"
    first = printed(store, "corpus", "build", str(spec), "--json")
    spec.write_text(spec.read_text().replace("20", "21"))
    values = [
        first,
        printed(store, "corpus", "build", str(spec), "--json"),
        printed(store, "corpus", "diff", "desk@1", "desk@2", "--json"),
        printed(store, "corpus", "list", "--json"),
        printed(store, "corpus", "show", "desk", "--json"),
        printed(store, "corpus", "check", "desk", "--suite", str(desk), "--json"),
        printed(store, "suite", "check", str(desk), "--json"),
        printed(store, "releases", "--json"),
        printed(store, "gc", "--dry-run", "--json"),
    ]
    assert {require_schema(value) for value in values} == AUTHORING


OF_ANOTHER_NAME = {"judge": "verdict", "quantize": "result", "recommend": "recommendation"}
"""Commands whose JSON says what it is, and not by which command it was printed."""


def commands(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command below one, by its path with dashes, as the names of schemas have it."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for part in command.list_commands(context):
            below = command.get_command(context, part)
            assert below is not None
            yield from commands(below, f"{name}-{part}".strip("-"))
    else:
        yield name, command


def test_every_command_that_prints_json_has_a_schema_of_it() -> None:
    with_json = {
        name
        for name, command in commands(main)
        if any("--json" in option.opts for option in command.params)
    }
    named = {f"quantgate.{OF_ANOTHER_NAME.get(name, name)}/1" for name in with_json}
    assert "quantgate.lookup/1" in named
    assert named - OUTPUTS.keys() == set()


def test_a_value_of_another_kind_does_not_fit(demo: Path) -> None:
    value = printed(demo, "lookup", "support-llama", "--json")
    assert isinstance(value, dict)
    value["facts"]["size_bytes"] = "many"
    with pytest.raises(jsonschema.ValidationError):
        require_schema(value)


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
