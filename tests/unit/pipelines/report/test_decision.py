"""What a page says first of a variant that is not shipped: the slices that broke, and how many more."""

from collections.abc import Sequence
from dataclasses import replace

from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision, SliceVerdict
from quantgate.pipelines.report.build_report import BuildReport, VariantReport
from quantgate.pipelines.report.page.decision import decision_view
from tests.support.verdicts.reports import example_report

SIZES = {"flat": 60, "numeric": 60, "refusal": 40}


def failing(scope: SliceVerdict, broke: int, *, critical: bool = False) -> SliceVerdict:
    counted = replace(scope.statistics, broke=broke)
    return replace(scope, decision=Decision.FAIL, critical=critical, statistics=counted)


def because(report: BuildReport, slices: Sequence[SliceVerdict]) -> str:
    failed = report.variants[2]
    assert failed.verdict is not None
    shown: VariantReport = replace(failed, verdict=replace(failed.verdict, slices=tuple(slices)))
    report = replace(report, policy=Policy(), variants=(shown,))
    view = decision_view(report, {}, {shown.identifier: "a"})
    return view.rejections[0].because


def scopes(report: BuildReport) -> dict[str, SliceVerdict]:
    verdict = report.variants[2].verdict
    assert verdict is not None
    return {scope.name: scope for scope in verdict.slices}


def test_one_more_slice_that_fails_is_counted_and_so_are_two() -> None:
    report = example_report(SIZES)
    each = scopes(report)
    two = [failing(each["flat"], 20), failing(each["numeric"], 10)]
    assert because(report, two[:1]).endswith("limit 10 %")
    assert because(report, two).endswith("limit 10 %; 1 more slice fails")
    three = [*two, failing(each["refusal"], 5)]
    assert because(report, three).endswith("limit 10 %; 2 more slices fail")


def test_a_slice_that_fails_by_another_rule_is_not_said_to_break_too_often() -> None:
    report = example_report(SIZES)
    within = failing(scopes(report)["flat"], 1)
    assert not because(report, [within]).startswith("broke 1 of")
    critical = failing(scopes(report)["flat"], 1, critical=True)
    assert because(report, [critical]).startswith("broke 1 of")
    assert because(report, [critical]).endswith("limit none at all")
