import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from quantgate.flows.build.results.build_result import BuildResult
from quantgate.flows.build.results.unit_error import UnitError
from quantgate.flows.cli.main import main
from quantgate.flows.cli.views.result import show_result
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain import errors
from quantgate.pipelines.domain.errors import InputError, QuantgateError
from quantgate.pipelines.report.summary import VariantRow


def run(arguments: Sequence[str], folder: Path) -> Result:
    return CliRunner().invoke(main, arguments, env={"QUANTGATE_STORE": str(folder / "store")})


def row(decision: str, version: str | None = None) -> VariantRow:
    return VariantRow(
        identifier="demo--Q8_0",
        numerics="W8/A8/KV16",
        size_bytes=1,
        bits_per_weight=8.5,
        reference_accuracy=1.0,
        accuracy=1.0,
        broke=0,
        fixed=0,
        reliable=30,
        break_rate_bound=0.09,
        mcnemar_p=1.0,
        worst_slice=None,
        decision=decision,
        reason="",
        registered_version=version,
    )


def result(*rows: VariantRow, errors: tuple[UnitError, ...] = ()) -> BuildResult:
    return BuildResult(
        name="demo", page=Path("page"), rows=rows, errors=errors, receipts=(), details={}
    )


CRASH = UnitError(identifier="demo--Q2_K", step="build", text="crashed", exit_code=5)
DOWN = UnitError(identifier="demo--Q8_0", step="register", text="no answer", exit_code=6)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (result(row("pass", "1"), row("fail")), 0),
        (result(row("pass", "1"), row("error"), errors=(CRASH,)), 0),
        (result(row("fail"), row("fail")), 10),
        (result(row("fail"), row("inconclusive")), 11),
        (result(row("fail"), row("error"), errors=(CRASH,)), 5),
        (result(row("pass"), errors=(DOWN,)), 13),
        (result(row("pass"), row("pass", "1"), errors=(DOWN,)), 13),
        (result(row("fail"), errors=(DOWN,)), 6),
        (result(), 0),
        (result(errors=(CRASH,)), 5),
    ],
)
def test_the_exit_code_says_what_became_of_a_build(outcome: BuildResult, code: int) -> None:
    assert outcome.exit_code == code


def test_every_kind_of_error_has_the_exit_code_that_is_documented() -> None:
    codes = {
        kind.__name__: kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, QuantgateError)
    }
    assert codes == {
        "QuantgateError": 1,
        "InputError": 2,
        "CheckpointError": 3,
        "ToolchainError": 4,
        "WorkerError": 5,
        "ChildCrashError": 5,
        "ChildAbortError": 5,
        "ServiceError": 6,
        "UnprovableError": 11,
        "NotFoundError": 12,
        "InterruptionError": 130,
    }


def test_a_build_without_model_says_what_to_do(tmp_path: Path) -> None:
    finished = run(["quantize"], tmp_path)
    assert finished.exit_code == 2
    assert "needs a model and a suite" in finished.output
    assert "next: name them" in finished.output


def test_an_unknown_option_is_bad_input(tmp_path: Path) -> None:
    assert run(["quantize", "--recipe", "Q8_0"], tmp_path).exit_code == 2


def test_a_lookup_before_anything_is_registered_is_not_found(tmp_path: Path) -> None:
    finished = run(["lookup", "demo"], tmp_path)
    assert finished.exit_code == 12
    assert "nothing is registered yet" in finished.output
    assert not (tmp_path / "store").exists(), "asking creates nothing"


def test_recipes_lists_the_catalogue(tmp_path: Path) -> None:
    finished = run(["recipes"], tmp_path)
    assert finished.exit_code == 0
    assert "Q4_K_M--imatrix" in finished.output


@pytest.mark.parametrize("value", ["0", "two", "-1"])
def test_a_number_of_threads_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(InputError, match="QUANTGATE_THREADS"):
        Settings.from_environment({"QUANTGATE_THREADS": value})


def test_workers_times_threads_stay_within_the_cores() -> None:
    import os

    settings = Settings.from_environment({})
    assert 1 <= settings.workers * settings.threads <= max(1, os.cpu_count() or 1)


def test_a_misspelt_format_is_refused_with_the_ones_there_are(tmp_path: Path) -> None:
    told = run(["lookup", "demo", "--format", "ggfu"], tmp_path)
    assert told.exit_code == 2
    assert "'gguf', 'compressed-tensors', 'awq', 'gptq'" in told.output


@pytest.mark.parametrize("command", ["lookup", "lineage"])
def test_a_store_can_be_named_and_is_said(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGATE_STORE", str(tmp_path / "another"))
    named = tmp_path / "named"
    told = CliRunner().invoke(main, [command, "demo", "--store", str(named)])
    assert told.exit_code == 12
    assert str(named / "mlflow.db") in told.output


def test_every_command_takes_a_store_but_those_that_open_none() -> None:
    def commands(group: click.Group) -> list[click.Command]:
        inner = group.commands.values()
        return [
            c for one in inner for c in (commands(one) if isinstance(one, click.Group) else [one])
        ]

    without = [
        one.name for one in commands(main) if "store" not in [option.name for option in one.params]
    ]
    assert without == ["recipes", "demo", "completion", "key", "schema"]


@pytest.mark.parametrize(
    ("rounds", "cell"),
    [((0.25, 10.85), "3.49× (0.25–10.85)"), ((3.49, 3.49), "3.49×"), (None, "3.49×")],
)
def test_a_speed_is_shown_with_the_spread_of_its_rounds(
    rounds: tuple[float, float] | None, cell: str
) -> None:
    written = io.StringIO()
    timed = replace(row("pass", "1"), speed_ratio=3.49, speed_rounds=rounds)
    show_result(result(timed), Console(file=written, width=200))
    assert f" {cell} " in written.getvalue()
