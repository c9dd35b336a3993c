"""The table's rows and the JSON result agree with the verdicts, and their keys never move."""

import json
from dataclasses import replace

import pytest

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.report.build_report import BuildReport
from quantgate.pipelines.report.result import SCHEMA, result_json
from quantgate.pipelines.report.summary import reference_rows, variant_rows
from tests.support.verdicts.reports import example_report

SMALL = {"flat": 32, "numeric": 40, "refusal": 30, "tail": 6}


@pytest.fixture(scope="module")
def report() -> BuildReport:
    return example_report(SMALL)


@pytest.fixture(scope="module")
def result(report: BuildReport) -> JsonObject:
    return result_json(report)


def at(value: JsonValue, *path: str | int) -> JsonValue:
    """Follow a path of keys and positions."""
    for step in path:
        value = value[step]  # type: ignore[index]
    return value


def test_rows_are_in_plan_order_with_every_decision(report: BuildReport) -> None:
    rows = variant_rows(report)

    assert [row.identifier for row in rows] == [v.identifier for v in report.variants]
    assert [row.decision for row in rows][2:] == ["fail", "inconclusive", "error", "fail"]
    assert [row.registered_version for row in rows] == ["2", "3", None, None, None, None]
    assert rows[0].numerics == "Q8_0/8-bit blocks/f16"
    assert rows[0].size_bytes == 3_652_800


def test_a_base_on_its_own_is_counted_by_slice_and_decides_nothing(report: BuildReport) -> None:
    alone = replace(report, variants=())
    found = result_json(alone)
    primary = report.references[0].primary

    assert found["decision"] is None
    assert at(found, "variants") == [] == at(found, "base_failures")
    slices = at(found, "references", 0, "slices")
    assert isinstance(slices, list)
    assert [at(one, "name") for one in slices] == [*SMALL]
    assert [at(one, "items") for one in slices] == [*SMALL.values()]
    total = sum(int(str(at(one, "right"))) for one in slices)
    assert total == sum(graded.grade.correct for graded in primary.answers)
    assert sum(int(str(at(one, "unstable"))) for one in slices) == 1
    for one in slices:
        share = int(str(at(one, "right"))) / int(str(at(one, "items")))
        assert at(one, "accuracy") == share

    first = reference_rows(alone)[0]
    assert (first.runtime, first.kernels) == ("llamacpp", "native")
    assert (first.items, first.repeats, first.unstable) == (sum(SMALL.values()), 2, 1)


def test_a_judged_row_repeats_the_verdicts_numbers(report: BuildReport) -> None:
    row, verdict = variant_rows(report)[2], report.variants[2].verdict

    assert verdict is not None
    assert verdict.whole is not None
    counted = verdict.whole.statistics
    assert (row.broke, row.fixed, row.reliable) == (
        counted.broke,
        counted.fixed,
        counted.reliable,
    )
    assert row.accuracy == counted.variant_accuracy
    assert row.reason == verdict.reasons[0]


def test_the_worst_slice_is_worst_by_decision_before_rate(report: BuildReport) -> None:
    row, verdict = variant_rows(report)[2], report.variants[2].verdict

    assert verdict is not None
    failing = [s for s in verdict.slices if s.decision is Decision.FAIL]
    worst = max(failing, key=lambda judged: judged.statistics.break_rate)
    counted = f"{worst.name} {worst.statistics.broke}/{worst.statistics.reliable}"
    first = worst.statistics.broke_ways[0]
    assert row.worst_slice == f"{counted} ({first.count} {first.way}, …)"
    assert variant_rows(report)[1].worst_slice is None


def test_the_reason_is_the_worst_slices_and_names_all_that_fail(report: BuildReport) -> None:
    variant = report.variants[2]
    verdict = variant.verdict
    assert verdict is not None and verdict.whole is not None
    also = next(one for one in verdict.slices if one.decision is not Decision.FAIL)
    slices = tuple(
        replace(one, decision=Decision.FAIL) if one is also else one for one in verdict.slices
    )
    both = replace(variant, verdict=replace(verdict, slices=slices))

    row = variant_rows(replace(report, variants=(both,)))[0]

    assert row.worst_slice is not None
    assert row.reason.startswith(f"{row.worst_slice.split()[0]}: ")
    others = row.reason.partition("; also failing: ")[2].split(", ")
    assert also.name in others
    assert ("the whole suite" in others) is (verdict.whole.decision is Decision.FAIL)


def test_rows_of_what_was_never_asked_have_no_numbers_but_a_reason(report: BuildReport) -> None:
    rows = variant_rows(report)

    assert rows[4].decision == "error"
    assert rows[4].reason.endswith("(often: out of memory)")
    assert (rows[4].size_bytes, rows[4].accuracy, rows[4].worst_slice) == (None, None, None)
    assert rows[5].reason.startswith("audit, quantized layers")
    assert rows[5].size_bytes == 6_790_000
    assert rows[5].accuracy is None


def test_a_build_stands_as_its_best_variant_does(report: BuildReport) -> None:
    assert report.decision is Decision.PASS
    assert replace(report, variants=report.variants[2:]).decision is Decision.INCONCLUSIVE
    assert replace(report, variants=report.variants[4:]).decision is Decision.FAIL
    assert replace(report, variants=()).decision is None
    assert replace(report, variants=report.variants[4:5]).decision is Decision.FAIL


def test_the_result_is_plain_json_with_its_schema(result: JsonObject) -> None:
    assert json.loads(json.dumps(result, allow_nan=False)) == json.loads(json.dumps(result))
    assert result["schema"] == SCHEMA == "quantgate.result/1"
    assert result["decision"] == "pass"
    assert result["smallest_passing"] == "support-llama--Q4_K_M--imatrix"
    assert at(result, "corpus", "label") == "support-traffic@1"
    assert at(result, "references", 0, "noise_floor", "unstable") == ["flat-000"]
    assert at(result, "runtime_differences", 0, "second", "contract", "runtime", "engine") == (
        "transformers"
    )


def test_the_results_keys_are_the_same_whatever_happened(result: JsonObject) -> None:
    assert list(result) == [
        "schema",
        "build",
        "created_at",
        "decision",
        "smallest_passing",
        "model",
        "corpus",
        "corpora",
        "contamination_waivers",
        "corpus_comparisons",
        "suite",
        "policy",
        "search",
        "foretold",
        "references",
        "runtime_differences",
        "variants",
        "base_failures",
        "bases",
        "base_warnings",
    ]
    variants = result["variants"]
    assert isinstance(variants, list)
    for variant in variants:
        assert isinstance(variant, dict)
        assert list(variant) == [
            "identifier",
            "decision",
            "registered_version",
            "failure",
            "origin",
            "recipe",
            "numerics",
            "kernels",
            "speed",
            "untimed",
            "files",
            "audit",
            "verdict",
            "prediction",
        ]
    assert at(variants, 4, "verdict") is at(variants, 4, "files") is None
    assert at(variants, 5, "verdict", "whole") is None
    assert at(variants, 5, "verdict", "run_key") is None
    assert list(at(variants, 2, "verdict", "whole")) == list(  # type: ignore[arg-type]
        at(variants, 2, "verdict", "slices", 0)  # type: ignore[arg-type]
    )


def test_the_result_holds_every_statistic_and_every_changed_answer(
    result: JsonObject, report: BuildReport
) -> None:
    verdict = report.variants[2].verdict
    assert verdict is not None
    assert verdict.whole is not None

    whole = at(result, "variants", 2, "verdict", "whole")
    assert at(whole, "broke") == verdict.whole.statistics.broke
    assert at(whole, "delta_interval", "low") == verdict.whole.statistics.delta_interval.low
    assert at(whole, "break_rate_bound") == verdict.whole.statistics.break_rate_bound
    changed = at(result, "variants", 2, "verdict", "changed_answers")
    assert isinstance(changed, list)
    broke = [entry for entry in changed if at(entry, "outcome") == "broke"]
    assert len(broke) == verdict.whole.statistics.broke
    assert at(broke[0], "reference", "text") != at(broke[0], "variant", "text")
