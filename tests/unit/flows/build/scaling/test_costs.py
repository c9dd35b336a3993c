"""Costs are what a store's finished builds took, unit by unit."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from quantgate.flows.build.plan_files import write_plan
from quantgate.flows.build.results.build_result import COMPLETION, BuildResult
from quantgate.flows.build.scaling.costs import measured_costs
from quantgate.flows.build.states.builds import progress_file
from quantgate.flows.cli.main import main
from quantgate.flows.progress.board import PlainBoard
from quantgate.flows.progress.recorded import LOG, RecordedBoard
from quantgate.pipelines.domain.errors import NotFoundError
from quantgate.pipelines.files.records import write_checked
from quantgate.pipelines.files.store import Store
from tests.support.builds.faked import faked_build
from tests.support.fakes import FakeBackend, FakeRuntime
from tests.unit.flows.interface.test_builds import row

TOOK = (
    ("load base", "base in llamacpp", 3.0),
    ("reference 1/2", "base in llamacpp", 5.0),
    ("reference 2/2", "base in llamacpp", 7.0),
    ("build", "llama--Q8_0", 4.0),
    ("audit", "llama--Q8_0", 2.0),
    ("answer", "llama--Q8_0", 8.0),
    ("register", "llama--Q8_0", 1.0),
    ("build", "llama--Q2_K", 4.0),
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "store")


def build(store: Store, folder: Path) -> str:
    """Leave a finished build behind, and return its name; of Q2_K only the building was timed."""
    plan = faked_build(folder, FakeBackend(), FakeRuntime()).plan
    write_plan(plan, store)
    run(store, plan.name, TOOK)
    folder = store.report(plan.name)
    result = BuildResult(
        name=plan.name, page=folder / "index.html", rows=(row("Q8_0"), row("Q2_K", "fail")),
        errors=(), receipts=(), details={},
    )  # fmt: skip
    write_checked(folder / COMPLETION, result)
    return plan.name


def run(store: Store, build: str, took: tuple[tuple[str, str, float], ...]) -> None:
    """Do units once more: their progress is written down anew, their log goes on."""
    now = 0.0
    board = RecordedBoard(
        PlainBoard(write=lambda _: None), progress_file(store, build), clocks=lambda: lambda: now
    )
    for step, unit, seconds in took:
        with board.unit(step, unit):
            now += seconds


def test_units_are_counted_by_what_they_are_of(store: Store, tmp_path: Path) -> None:
    build(store, tmp_path)
    costs = measured_costs(store)
    assert (costs.base, costs.reference, costs.register) == (3.0, 12.0, 1.0)
    assert costs.reference_runs == 2
    (recipe,) = costs.recipes
    assert (recipe.recipe, recipe.build, recipe.audit, recipe.answer) == ("Q8_0", 4.0, 2.0, 8.0)
    assert (costs.pass_share, costs.database_bytes) == (0.5, None)


def test_what_a_later_run_only_looks_up_changes_no_cost(store: Store, tmp_path: Path) -> None:
    name = build(store, tmp_path)
    before = measured_costs(store)
    run(store, name, (("build", "llama--Q8_0", 0.02), ("register", "llama--Q8_0", 0.1)))
    assert measured_costs(store) == before


def test_lines_that_were_cut_off_are_passed_over(store: Store, tmp_path: Path) -> None:
    name = build(store, tmp_path)
    before = measured_costs(store)
    with (progress_file(store, name).parent / LOG).open("a") as log:
        log.write('{"event": "done", "step": "build"}\n[]\n{"event": "do')
    assert measured_costs(store) == before


def test_the_command_says_how_long_and_what_limits(store: Store, tmp_path: Path) -> None:
    build(store, tmp_path)
    arguments = ["scale", "--models", "3", "--workers", "2", "--store", str(store.root)]
    said = CliRunner().invoke(main, arguments)
    assert said.exit_code == 0, said.output
    assert "limited by  workers" in said.output
    told = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).output)
    assert told["forecast"]["runs"] == 3 * 20 * 5


def test_a_store_without_builds_is_one_message(store: Store) -> None:
    with pytest.raises(NotFoundError, match="holds no finished build whose units were timed"):
        measured_costs(store)
    assert CliRunner().invoke(main, ["scale", "--store", str(store.root)]).exit_code == 12
