"""Two builds beside each other: only what both asked in the same words is compared, item by item."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.paired.exact import mcnemar_p
from quantgate.pipelines.report.between.builds import (
    BuildsCompared,
    ComparedBuild,
    RunsCompared,
    compare_builds,
)
from quantgate.pipelines.report.build_report import BuildReport
from tests.support.builds.stored import stored
from tests.support.verdicts.reports import built, example_report, judged, recipe

SIZES = {"flat": 40, "numeric": 40, "refusal": 20}


@pytest.fixture(scope="module")
def report() -> BuildReport:
    return example_report(SIZES)


def with_variants(report: BuildReport, build: str, **damage: float) -> BuildReport:
    """A build of recipes, each with its damage to numeric items."""
    variants = tuple(
        judged(
            report.suite,
            built(recipe(name, "a/b/c"), size_bytes=1000, bits=4.0),
            report.references[0],
            {"numeric": rate, "*": 0.0},
        )
        for name, rate in damage.items()
    )
    return replace(report, build=build, variants=variants)


def compared(first: BuildReport, second: BuildReport, folder: Path) -> BuildsCompared:
    def opened(report: BuildReport) -> ComparedBuild:
        return ComparedBuild(
            result=stored(report, folder / report.build),
            suite=report.suite,
            answers=lambda _subject, _key: None,
        )

    return compare_builds(opened(first), opened(second))


def run_of(result: BuildsCompared, name: str) -> RunsCompared:
    return next(run for run in result.runs if run.name == name)


def right(report: BuildReport, number: int) -> dict[str, bool]:
    verdict = report.variants[number].verdict
    assert verdict is not None
    return {item.item_id: item.variant.grade.correct for item in verdict.items}


def test_what_the_policies_ask_differently_is_said(report: BuildReport, tmp_path: Path) -> None:
    first = with_variants(report, "first", Q4=0.3)
    policy = replace(first.policy, max_break_rate=0.05, variant_runs=3)
    result = compared(first, replace(first, build="second", policy=policy), tmp_path)
    policies = {each.what: (each.first, each.second) for each in result.differences}["policy"]
    assert policies == ("max_break_rate 0.1, variant_runs 1", "max_break_rate 0.05, variant_runs 3")
    same = compared(first, replace(first, build="third"), tmp_path)
    assert "policy" not in {each.what for each in same.differences}


def test_variants_of_one_name_are_paired_item_by_item(report: BuildReport, tmp_path: Path) -> None:
    first = with_variants(report, "first", Q4=0.3, Q2=0.9)
    second = with_variants(report, "second", Q4=0.6, Q3=0.5)
    result = compared(first, second, tmp_path)
    run = run_of(result, "Q4")
    before, after = right(first, 0), right(second, 0)
    lost = {each for each in before if before[each] and not after[each]}
    gained = {each for each in before if after[each] and not before[each]}
    assert {item.item_id for item in run.unlike if item.first_is_right} == lost
    assert {item.item_id for item in run.unlike if not item.first_is_right} == gained
    assert run.items == 100
    assert run.delta == (len(gained) - len(lost)) / 100
    assert run.mcnemar_p == mcnemar_p(len(lost), len(gained))
    assert (result.only_first, result.only_second) == (("Q2",), ("Q3",))
    assert all(item.second_answer for item in run.unlike if item.first_is_right)
    assert [each.name for each in result.runs] == ["base in llamacpp", "base in transformers", "Q4"]
    assert run_of(result, "base in llamacpp").unlike == ()


def test_items_that_are_worded_anew_are_left_out_and_counted(
    report: BuildReport, tmp_path: Path
) -> None:
    first = with_variants(report, "first", Q4=0.5)
    reworded = replace(report.suite.items[0], expected={"name": "another", "arguments": {}})
    suite = replace(report.suite, items=(reworded, *report.suite.items[1:]))
    second = replace(with_variants(report, "second", Q4=0.5), suite=suite)
    result = compared(first, second, tmp_path)
    assert (result.same_items, result.unlike_items) == (99, 1)
    assert run_of(result, "Q4").items == 99
    assert "suite" not in [each.what for each in result.differences]


def test_what_differs_between_builds_is_named(report: BuildReport, tmp_path: Path) -> None:
    first = with_variants(report, "first", Q4=0.0)
    model = replace(report.checkpoint, source="org/model@newer")
    second = replace(with_variants(report, "second", Q4=0.9), checkpoint=model, corpora=())
    facts = {
        each.what: (each.first, each.second)
        for each in compared(first, second, tmp_path).differences
    }
    assert facts.keys() == {"model", "corpora", "smallest that passes"}
    assert facts["corpora"][1] == "none"
    assert facts["smallest that passes"] == ("Q4", "none")
    alike = compared(first, replace(first, build="again"), tmp_path)
    assert alike.differences == ()
    assert run_of(alike, "Q4").unlike == ()


def test_a_variant_that_nobody_asked_is_left_out(report: BuildReport, tmp_path: Path) -> None:
    first = replace(report, build="first")
    result = compared(first, replace(report, build="second"), tmp_path)
    assert [run.name for run in result.runs if not run.name.startswith("base")] == [
        *("Q8_0", "Q4_K_M--imatrix", "Q2_K", "FP8_DYNAMIC"),
    ]
