"""Which charts a build has: those for which something was measured."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.report.build_report import BuildReport, VariantReport
from quantgate.pipelines.report.charts.beside import BesideBase, beside_chart
from quantgate.pipelines.report.charts.points import ChartPoint, chart_points
from quantgate.pipelines.report.charts.reliability import reliability_chart
from quantgate.pipelines.report.charts.slices import SliceSeries, slices_chart
from quantgate.pipelines.report.charts.speed import speed_chart
from quantgate.pipelines.report.charts.tradeoff import BasePoint, divergence_chart, size_chart
from quantgate.pipelines.report.naming import short_name
from quantgate.pipelines.report.predictions.foretold import foretold_breaks
from quantgate.pipelines.report.wording import size


@dataclass(frozen=True, slots=True, kw_only=True)
class PageChart:
    """A chart as a page shows it: an SVG element, and what is said below it."""

    title: str
    svg: str
    caption: str


def page_charts(report: BuildReport) -> tuple[PageChart, ...]:
    """Draw the charts of a build; none where no variant was asked."""
    points = chart_points(report)
    if not points or not report.references:
        return ()
    return tuple(_charts(report, points))


def _charts(report: BuildReport, points: Sequence[ChartPoint]) -> Iterator[PageChart]:
    base = BasePoint(
        size_bytes=report.checkpoint.size_bytes, accuracy=report.references[0].accuracy
    )
    yield PageChart(
        title="Size against accuracy",
        svg=size_chart(points, base),
        caption="★ ship this · ● passes · ✖ fails · ◆ inconclusive · ■ the base, with a dotted line at its"
        " accuracy · ▼ further down than fits, with its number. Upright lines: the paired interval of the"
        " difference from the base. Dashed: the Pareto front, where nothing is smaller and as accurate.",
    )
    series = _series(report)
    if series:
        second = f", ✖ {series[1].name}, the next smaller one" if len(series) > 1 else ""
        yield PageChart(
            title="Break rate by slice",
            svg=slices_chart(series),
            caption=f"● {series[0].name}{second}. The line ends at the upper bound; the upright mark is the"
            " limit. A bound right of the mark on few items is no failure: it is not proven.",
        )
    if sum(1 for point in points if point.mean_kl) > 1:
        yield PageChart(
            title="Divergence beside task accuracy",
            svg=divergence_chart(points, base),
            caption="A tripwire, not a gate: it finds what was corrupted on the way, and decides nothing"
            " about tasks. Marks as on the left.",
        )
    if any(point.speed for point in points):
        yield from _timed_charts(points)
    elif sum(1 for point in points if point.tokens_per_second) > 1:
        yield PageChart(
            title="Tokens a second",
            svg=speed_chart(points),
            caption="Measured once, while the suite was asked, in runtimes that serve. Variants judged in"
            " transformers have none: they are computed with expanded weights there, as no server would.",
        )
    yield from _foretold_charts(report)


def _foretold_charts(report: BuildReport) -> Iterator[PageChart]:
    """Yield the calibration plot of predictions, where anything broke that could be held against them."""
    foretold = foretold_breaks(report)
    if foretold is not None and foretold.score.broke:
        yield PageChart(
            title="Breaks foretold and breaks seen",
            svg=reliability_chart(foretold.score),
            caption="Each point: items that were given about the same chance of breaking before their"
            " variant was asked, their number, and the exact 95 % interval of the share that broke. Right"
            " ones lie on the dotted line.",
        )


_TIMED = (
    BesideBase(
        figure="generated_tokens_per_second",
        name="generation-chart",
        title="Tokens a second beside the base",
        axis="share of the base's tokens a second",
        written=lambda value: f"{value:,.1f}/s",
    ),
    BesideBase(
        figure="peak_memory_bytes",
        name="memory-chart",
        title="Peak memory beside the base",
        axis="share of the base's peak resident memory",
        written=lambda value: size(round(value)),
    ),
)
_TIMED_CAPTIONS = (
    "Generated one request at a time, base and variant by turns in processes of their own; the line spans the"
    " rounds. Variants judged in transformers are there for accuracy only: they have no row.",
    "The most that the process which answers had resident, the program included.",
)


def _timed_charts(points: Sequence[ChartPoint]) -> Iterator[PageChart]:
    for beside, caption in zip(_TIMED, _TIMED_CAPTIONS, strict=True):
        if svg := beside_chart(points, beside):
            yield PageChart(title=beside.title, svg=svg, caption=caption)


def _series(report: BuildReport) -> tuple[SliceSeries, ...]:
    """The variant to ship and the largest one below it that does not pass; else the largest one asked."""
    asked = sorted(
        (v for v in report.variants if v.variant and v.verdict and v.verdict.whole),
        key=lambda v: -(v.variant.size_bytes if v.variant else 0),
    )
    chosen = report.smallest_passing
    if chosen is None:
        return tuple(_of(report, variant) for variant in asked[:1])
    smaller = asked[asked.index(chosen) + 1 :]
    below = [v for v in smaller if v.verdict and v.verdict.decision is not Decision.PASS]
    return tuple(_of(report, variant) for variant in (chosen, *below[:1]))


def _of(report: BuildReport, variant: VariantReport) -> SliceSeries:
    verdict, policy = variant.verdict, report.policy
    assert verdict is not None
    assert verdict.whole is not None
    limits = (policy.slice_limits(judged.name).max_break_rate for judged in verdict.slices)
    return SliceSeries(
        name=short_name(report, variant),
        scopes=(verdict.whole, *verdict.slices),
        limits=(policy.max_break_rate, *limits),
    )
