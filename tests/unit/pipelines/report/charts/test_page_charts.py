"""Charts are text that a page can colour, alike whenever they are drawn, and only of what was measured."""

import re
from dataclasses import replace

import pytest

from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.report.build_report import BuildReport, VariantReport
from quantgate.pipelines.report.charts.page_charts import page_charts
from quantgate.pipelines.report.charts.points import ChartPoint, chart_points, pareto_front
from quantgate.pipelines.report.charts.tradeoff import BasePoint, size_chart
from tests.support.verdicts.reports import example_report
from tests.support.verdicts.speeds import timed_twice_as_fast


def point(name: str, size_bytes: int, accuracy: float) -> ChartPoint:
    return ChartPoint(
        name=name,
        size_bytes=size_bytes,
        accuracy=accuracy,
        low=accuracy - 0.02,
        high=accuracy + 0.02,
        decision=Decision.PASS,
        champion=False,
        mean_kl=None,
        tokens_per_second=None,
    )


def measured(report: BuildReport) -> BuildReport:
    """The same build with divergences of every audit and speeds of what llama.cpp served."""

    def with_numbers(number: int, variant: VariantReport) -> VariantReport:
        if variant.audit is None:
            return variant
        divergence = Divergence(mean_kl=0.001 * 3**number, top1_agreement=0.9, tokens=4096)
        served = variant.recipe.runtime == "llamacpp"
        return replace(
            variant,
            audit=replace(variant.audit, divergence=divergence),
            tokens_per_second=900.0 + number if served else None,
        )

    return replace(
        report, variants=tuple(with_numbers(*each) for each in enumerate(report.variants))
    )


@pytest.fixture(scope="module")
def report() -> BuildReport:
    return measured(example_report())


def test_the_same_build_is_drawn_with_the_same_bytes_and_no_id_comes_twice(
    report: BuildReport,
) -> None:
    charts = page_charts(report)
    assert [chart.title for chart in charts] == [
        "Size against accuracy",
        "Break rate by slice",
        "Divergence beside task accuracy",
        "Tokens a second",
        "Breaks foretold and breaks seen",
    ]
    assert charts == page_charts(report)
    ids = re.findall(r' id="([^"]+)"', "".join(chart.svg for chart in charts))
    assert len(ids) == len(set(ids))
    for used in re.findall(r'href="#([^"]+)"', "".join(chart.svg for chart in charts)):
        assert used in ids


def test_charts_take_colours_and_font_of_the_page_and_are_read_aloud(report: BuildReport) -> None:
    for chart in page_charts(report):
        assert not re.search(r"#[0-9a-f]{6}\b", chart.svg)
        assert "font-family" not in chart.svg
        assert "url(" not in chart.svg
        assert "var(--ink)" in chart.svg
        assert re.search(r'role="img".*aria-labelledby="(\S+) (\S+)".*<title id="\1">', chart.svg)
        assert "<text" in chart.svg


def test_names_rates_and_intervals_stand_in_the_description(report: BuildReport) -> None:
    size, slices, *_ = page_charts(report)
    assert "Q4_K_M--imatrix is the smallest that passes" in size.svg
    whole = next(v.verdict.whole for v in report.variants if v.verdict and v.verdict.whole)
    assert f"{100 * whole.statistics.variant_accuracy:.1f} % (" in size.svg
    assert ">Q2_K<" in size.svg
    assert "Q2_K: whole suite" in slices.svg


def test_nothing_is_drawn_of_what_nobody_measured() -> None:
    report = example_report({"flat": 40, "refusal": 20})
    report = replace(report, variants=tuple(replace(v, prediction=None) for v in report.variants))
    assert [chart.title for chart in page_charts(report)] == [
        "Size against accuracy",
        "Break rate by slice",
    ]
    assert page_charts(replace(report, variants=())) == ()
    assert page_charts(replace(report, variants=report.variants[4:])) == ()


def test_what_was_timed_is_drawn_beside_its_base_with_the_spread_of_its_rounds() -> None:
    report = example_report({"flat": 40, "refusal": 20})
    first = replace(report.variants[0], speed=timed_twice_as_fast())
    charts = page_charts(replace(report, variants=(first, *report.variants[1:])))
    speed, memory = charts[2:4]
    assert (speed.title, memory.title) == (
        "Tokens a second beside the base",
        "Peak memory beside the base",
    )
    assert "Q8_0: 2.00 of the base (1.90 to 2.10), 20.0/s" in speed.svg
    assert "Q8_0: 0.50 of the base (0.50 to 0.50), 40.0 MB" in memory.svg


def test_the_front_holds_what_nothing_beats_in_both() -> None:
    points = [point("a", 10, 0.9), point("b", 8, 0.92), point("c", 5, 0.5), point("d", 8, 0.91)]
    assert [each.name for each in pareto_front(points)] == ["c", "b"]
    assert pareto_front([point("a", 10, 0.9), point("b", 10, 0.9)]) == (point("a", 10, 0.9),)


def test_a_wreck_stands_at_the_edge_with_its_number() -> None:
    base = BasePoint(size_bytes=20, accuracy=0.95)
    drawn = size_chart([point("fine", 10, 0.94), point("wreck", 5, 0.031)], base)
    assert ">wreck 3.1 %<" in drawn
    assert ">fine<" in drawn
    assert "10 %" not in drawn.replace("100 %", "")


def test_points_carry_the_base_plus_the_paired_interval(report: BuildReport) -> None:
    points = {each.name: each for each in chart_points(report)}
    assert points.keys() == {"Q8_0", "Q4_K_M--imatrix", "Q2_K", "FP8_DYNAMIC"}
    assert [name for name, each in points.items() if each.champion] == ["Q4_K_M--imatrix"]
    verdict = report.variants[2].verdict
    assert verdict is not None
    assert verdict.whole is not None
    counted = verdict.whole.statistics
    assert points["Q2_K"].low == counted.reference_accuracy + counted.delta_interval.low
