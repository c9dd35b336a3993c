"""`quantgate report` lists, exports and refuses; builds are told from registered versions by their names."""

import csv
import json
import shlex
from dataclasses import fields, replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from quantgate.flows.build.plan_files import read_command, write_command
from quantgate.flows.cli.main import main
from quantgate.flows.cli.quantizing.options import QuantizeOptions, command_line
from quantgate.flows.cli.reports.kinds import are_builds
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.store import STORE_VARIABLE, Store
from tests.support.builds.stored import stored
from tests.support.verdicts.reports import example_report

BUILD = "support-llama--support-desk--4be19c02aa17"
OTHER = "support-llama--support-desk--77777702aa17"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two results, and one that is damaged."""
    root = tmp_path_factory.mktemp("store")
    report = example_report({"flat": 30, "numeric": 20, "refusal": 10})
    for build in (BUILD, OTHER):
        stored(replace(report, build=build), root / "reports" / build)
    (root / "reports" / "damaged").mkdir()
    (root / "reports" / "damaged" / "result.json").write_text("{")
    return root


def run(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["report", *arguments], env={STORE_VARIABLE: str(root)})


def test_all_builds_are_listed_on_a_page_and_one_that_cannot_be_read_is_named(root: Path) -> None:
    result = run(root)
    assert result.exit_code == 0, result.output
    assert f"2 builds: {root / 'reports' / 'index.html'}" in result.output
    assert "left out" in result.output
    assert f"{BUILD}/index.html" in (root / "reports" / "index.html").read_text()
    listed = json.loads(CliRunner().invoke(
        main, ["report", "--json"], env={STORE_VARIABLE: str(root)}
    ).stdout)  # fmt: skip
    assert listed["schema"] == "quantgate.report/1"
    assert {each["build"] for each in listed["builds"]} == {BUILD, OTHER}


@pytest.mark.parametrize(
    ("form", "beginning"),
    [
        ("json", '{\n "schema": "quantgate.report-tables/1"'),
        ("markdown", "### quantgate: ship"),
        ("junit", "<?xml"),
    ],
)
def test_texts_go_to_standard_output_or_into_a_file(
    root: Path, form: str, beginning: str, tmp_path: Path
) -> None:
    printed = run(root, BUILD[:-3], "--as", form)
    assert printed.exit_code == 0, printed.output
    assert printed.stdout.startswith(beginning)
    file = tmp_path / "out" / "text"
    assert run(root, BUILD, "--as", form, "--to", str(file)).exit_code == 0
    assert file.read_text() == printed.stdout


def test_tables_go_into_a_folder_one_file_each(root: Path, tmp_path: Path) -> None:
    result = run(root, BUILD, "--as", "csv", "--to", str(tmp_path))
    assert result.exit_code == 0, result.output
    names = {Path(line).name for line in result.stdout.splitlines()}
    assert names == {
        *("variants.csv", "slices.csv", "changed_answers.csv", "audits.csv", "base.csv"),
    }
    rows = list(csv.DictReader((tmp_path / "variants.csv").read_text().splitlines()))
    assert [row["decision"] for row in rows][:3] == ["pass", "pass", "fail"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("support-llama", "--as", "json"), "several builds begin with 'support-llama'"),
        (("other", "--as", "json"), "no build called 'other' has a result"),
        (("--as", "json"), "name a build"),
        (("other", "--json"), "--json is for the list of builds"),
        (("other", "--to", "page"), "--to is for tables"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_do(
    root: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = run(root, *arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_builds_are_told_from_registered_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path))
    for build in (BUILD, OTHER):
        (tmp_path / "plans" / build).mkdir(parents=True)
        (tmp_path / "plans" / build / "plan.json").write_text("{}")
    assert are_builds(BUILD, OTHER[:-4])
    assert not are_builds("support-llama", "support-llama@support-desk")
    with pytest.raises(InputError, match="is a build of this store"):
        are_builds(BUILD, "support-llama/3")


def test_the_command_that_made_a_build_asks_for_the_same_again(store: Store) -> None:
    options = QuantizeOptions(
        build_file=Path("a file.yaml"), recipes="Q4*,Q8_0", foreign=("x.gguf", "y"), anyway=True
    )
    command = command_line(options)
    assert shlex.split(command)[:2] == ["quantgate", "quantize"]
    asked = main.commands["quantize"].make_context("quantize", shlex.split(command)[2:])
    given = {name: value for name, value in asked.params.items() if value}
    assert given == {
        "build_file": Path("a file.yaml"),
        "recipes": "Q4*,Q8_0",
        "foreign": ("x.gguf", "y"),
        "anyway": True,
    }
    assert read_command("build", store) == ""
    write_command("build", command, store)
    assert read_command("build", store) == command
    kept = {field.name for field in fields(QuantizeOptions)} - {"as_json", "plan_only", "model"}
    known = [o for o in main.commands["quantize"].params if o.name in kept]
    values = {
        str(option.name): True if option.is_flag else ("v",) if option.multiple else "v"
        for option in known
        if isinstance(option, click.Option)
    }
    everything = QuantizeOptions(**values)  # type: ignore[arg-type]  # nobody looks at the values
    written = {part for part in shlex.split(command_line(everything)) if part.startswith("--")}
    assert written == {flag for option in known for flag in option.opts if flag.startswith("--")}
