"""Builds as programs get them: opened by name, and refused in a sentence."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import quantgate as qg
from quantgate.flows.build.plan_files import write_plan
from quantgate.flows.build.results.build_result import COMPLETION, BuildResult
from quantgate.flows.cli.views.result import show_result
from quantgate.flows.interface.builds import Build, asked_for
from quantgate.flows.interface.changes import AnswerChange, AnswerChanges
from quantgate.flows.interface.tables import html_table
from quantgate.pipelines.files.records import write_checked
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.report.build_report import BuildReport
from quantgate.pipelines.report.summary import VariantRow
from tests.support.builds.faked import faked_build
from tests.support.builds.stored import stored
from tests.support.fakes import FakeBackend, FakeRuntime
from tests.support.verdicts.reports import example_report


def row(recipe: str, decision: str = "pass") -> VariantRow:
    return VariantRow(
        identifier=f"llama--{recipe}", numerics="W4/A8/KV16", size_bytes=10, bits_per_weight=4.0,
        reference_accuracy=0.9, accuracy=0.8, broke=1, fixed=0, reliable=9, break_rate_bound=0.3,
        mcnemar_p=0.5, worst_slice=None, decision=decision, reason="", registered_version=None,
    )  # fmt: skip


def finished(store: Path, *names: str) -> None:
    for name in names:
        page = Store(root=store).report(name) / "index.html"
        details = {
            "smallest_passing": "llama--Q4_K_M",
            "variants": [{"identifier": "llama--Q4_K_M", "verdict": None}],
        }
        result = BuildResult(
            name=name, page=page, rows=(row("Q4_K_M"), row("Q2_K", "fail")), errors=(), receipts=(),
            details=json.loads(json.dumps(details)),
        )  # fmt: skip
        write_checked(page.parent / COMPLETION, result)


def test_a_finished_build_is_opened_by_the_beginning_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGATE_STORE", str(tmp_path))
    finished(tmp_path, "llama--desk--1", "llama--chat--2")
    build = qg.open_build("llama--desk")
    assert (build.name, build.variant("Q2_K").decision) == ("llama--desk--1", "fail")
    assert build.smallest_passing == build.variant("llama--Q4_K_M")
    assert list(build.changed("Q4_K_M")) == []  # never asked
    for name, said in (("llama", "begin so"), ("other", "there are llama--chat--2")):
        with pytest.raises(qg.QuantgateError, match=said):
            qg.open_build(name)
    with pytest.raises(qg.QuantgateError, match="did you mean 'Q2_K'"):
        build.variant("Q2K")


def test_changes_are_a_sequence_and_a_frame() -> None:
    change = AnswerChange(
        item_id="a", slices=("s",), outcome="broke", stable=True, reference="1", variant="<b>", reason="no",
    )  # fmt: skip
    changes = AnswerChanges("Q2_K", (change,))
    assert (len(changes), changes[0], changes[:1], changes.broken) == (
        1,
        change,
        (change,),
        (change,),
    )
    assert list(changes.to_frame().columns)[:3] == ["item_id", "slices", "outcome"]
    assert "&lt;b&gt;" in changes._repr_html_()
    assert AnswerChanges("Q2_K", ()).to_frame().empty


def test_long_cells_are_cut_and_nothing_is_markup() -> None:
    shown = html_table(["<i>"], [["x" * 1000], [None]], "a & b")
    assert "<i>" not in shown
    assert ("x" * 401) not in shown
    assert "a &amp; b" in shown


def test_importing_the_package_stays_light_and_its_names_are_all_there() -> None:
    code = (
        "import sys, quantgate; heavy = {'pydantic', 'numpy', 'click', 'mlflow'} & set(sys.modules); "
        "print(sorted(heavy)); [getattr(quantgate, name) for name in dir(quantgate)]; "
        "print(sorted({'mlflow', 'prefect', 'torch', 'pandas'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == ["[]", "[]"]


def test_no_recipes_at_all_judge_the_base_alone() -> None:
    assert asked_for("build.yaml", None, {"recipes": []}).recipes == "none"
    assert asked_for("build.yaml", None, {"recipes": ["Q8_0", "Q2_K"]}).recipes == "Q8_0,Q2_K"
    assert asked_for("build.yaml", None, {}).recipes is None


def test_a_model_whose_name_holds_dashes_keeps_them(tmp_path: Path) -> None:
    result = BuildResult(
        name="my--llama--desk--1", page=tmp_path / "index.html",
        rows=(replace(row("Q2_K"), identifier="my--llama--Q2_K"),), errors=(), receipts=(),
        details={"model": {"name": "my--llama"}},
    )  # fmt: skip
    assert Build(result).variant("Q2_K") == result.rows[0]
    assert ">Q2_K</td>" in Build(result)._repr_html_()
    shown = io.StringIO()
    show_result(result, Console(file=shown, width=200))
    assert any(line.startswith("Q2_K ") for line in shown.getvalue().splitlines())


def planned_build(folder: Path, report: BuildReport, monkeypatch: pytest.MonkeyPatch) -> Build:
    """A finished build of this report, with the plan that asked its suite."""
    build = faked_build(folder, FakeBackend(), FakeRuntime())
    plan = replace(build.plan, suite=report.suite)
    store = build.settings.store
    write_plan(plan, store)
    finished(store.root, plan.name)
    stored(replace(report, build=plan.name), store.report(plan.name))
    monkeypatch.setenv("QUANTGATE_STORE", str(store.root))
    return qg.open_build(plan.name)


def test_two_builds_are_compared_item_by_item_and_a_build_with_a_version_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = example_report({"flat": 40, "refusal": 20})
    first, second = (planned_build(tmp_path / name, report, monkeypatch) for name in ("a", "b"))

    compared = qg.compare(first, second)

    assert (compared.same_items, compared.unlike_items) == (60, 0)
    assert (compared.only_first, compared.only_second) == ((), ())
    assert {"Q8_0", "Q2_K"} <= {run.name for run in compared.runs}
    assert all(run.delta == 0 and not run.unlike for run in compared.runs)
    with pytest.raises(qg.QuantgateError, match="cannot be held against a registered version"):
        qg.compare(first, "support-llama/1")  # type: ignore[call-overload]  # it is refused
