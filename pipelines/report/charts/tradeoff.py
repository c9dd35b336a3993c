"""Accuracy against size, and against divergence: the same points over two different axes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import TYPE_CHECKING

from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.report.charts.canvas import drawn
from quantgate.pipelines.report.charts.labels import Label, place_labels
from quantgate.pipelines.report.charts.points import ChartPoint, pareto_front
from quantgate.pipelines.report.charts.svg import CARD, FAIL, INCONCLUSIVE, INK, PASS, QUIET
from quantgate.pipelines.report.wording import percent, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHAPES = {
    Decision.PASS: ("o", PASS, 64.0),
    Decision.FAIL: ("X", FAIL, 92.0),
    Decision.INCONCLUSIVE: ("D", INCONCLUSIVE, 56.0),
}
_DEEPEST = 0.30
"""A wreck would press all others together: what lies further below stands at the edge, with its number."""
_AREA, _CHAMPION_AREA = 64.0, 230.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BasePoint:
    """The base, as large and as accurate as it is."""

    size_bytes: int
    accuracy: float


def size_chart(points: Sequence[ChartPoint], base: BasePoint) -> str:
    """Draw accuracy over size, with the base, the champion and the front that nothing beats in both."""

    def draw(axes: "Axes") -> None:
        heights = _heights([*points], base)
        _sizes(axes, [*[p.size_bytes for p in points], base.size_bytes])
        front = [p for p in pareto_front(points) if heights.shown(p) == p.accuracy]
        axes.plot(
            [p.size_bytes for p in front],
            [p.accuracy for p in front],
            color=QUIET,
            linewidth=1.2,
            linestyle=(0, (4, 3)),
            zorder=1,
        )
        axes.scatter([base.size_bytes], [base.accuracy], marker="s", s=_AREA, color=INK, zorder=3)
        _place(axes, points, heights, lambda point: float(point.size_bytes), base)
        axes.set_xlabel("size of the files (logarithmic)")

    smallest = next((point.name for point in points if point.champion), None)
    best = f"{smallest} is the smallest that passes. " if smallest else "Nothing passes. "
    return drawn(
        draw,
        name="size-chart",
        title="Size against accuracy",
        description=f"{best}{_listed(points, lambda p: size(p.size_bytes))}",
    )


def divergence_chart(points: Sequence[ChartPoint], base: BasePoint) -> str:
    """Draw accuracy over mean divergence of those points for which it was measured."""
    measured = [point for point in points if point.mean_kl]

    def draw(axes: "Axes") -> None:
        heights = _heights(measured, base)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda amount, _: f"{amount:g}")
        axes.minorticks_off()
        _place(axes, measured, heights, lambda point: point.mean_kl or 0.0, None)
        axes.set_xlabel("divergence from the base, nats a token (logarithmic)")

    return drawn(
        draw,
        name="divergence-chart",
        title="Divergence beside task accuracy",
        description=_listed(measured, lambda p: f"{p.mean_kl:.3g} nats a token"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heights:
    """Which accuracies are shown: those below `lowest` stand at it."""

    lowest: float
    highest: float
    base: float

    def shown(self, point: ChartPoint) -> float:
        return max(self.lowest, point.accuracy)


def _heights(points: Sequence[ChartPoint], base: BasePoint) -> _Heights:
    deepest = base.accuracy - _DEEPEST
    lowest = min([base.accuracy - 0.02, *(p.low for p in points if p.accuracy >= deepest)])
    return _Heights(
        lowest=max(0.0, lowest - 0.02),
        highest=min(1.0, max([base.accuracy, *(p.high for p in points)])),
        base=base.accuracy,
    )


def _place(
    axes: "Axes",
    points: Sequence[ChartPoint],
    heights: _Heights,
    across: Callable[[ChartPoint], float],
    base: BasePoint | None,
) -> None:
    room = 0.08 * (heights.highest - heights.lowest)
    axes.set_ylim(heights.lowest - room, heights.highest + room)
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    axes.axhline(heights.base, color=QUIET, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0)
    labels = [Label(text="base", x=base.size_bytes, y=base.accuracy)] if base else []
    for point in points:
        shape, colour, area = _SHAPES[point.decision]
        x, y = across(point), heights.shown(point)
        below = y > point.accuracy
        if not below:
            axes.plot([x, x], [point.low, point.high], color=colour, linewidth=1.4, zorder=2)
        axes.scatter(
            [x],
            [y],
            marker="*" if point.champion else "v" if below else shape,
            s=_CHAMPION_AREA if point.champion else area,
            color=colour,
            edgecolors=CARD,
            linewidths=0.8,
            zorder=4,
        )
        name = f"{point.name} {percent(point.accuracy)}" if below else point.name
        labels.append(Label(text=name, x=x, y=y, strong=point.champion))
    axes.margins(x=0.12)
    place_labels(axes, labels)


def _sizes(axes: "Axes", sizes: Sequence[int]) -> None:
    axes.set_xscale("log")
    lowest, highest = min(sizes) / 1.15, max(sizes) * 1.3
    axes.set_xlim(lowest, highest)
    powers = range(floor(log10(lowest)), floor(log10(highest)) + 1)
    ticks = [step * 10**power for power in powers for step in (1, 2, 3, 5)]
    axes.set_xticks([tick for tick in ticks if lowest <= tick <= highest])
    axes.xaxis.set_major_formatter(lambda amount, _: size(round(amount)).replace(".00", ""))
    axes.minorticks_off()


def _listed(points: Sequence[ChartPoint], across: Callable[[ChartPoint], str]) -> str:
    return "; ".join(
        f"{p.name}: {across(p)}, {percent(p.accuracy)} ({percent(p.low)} to {percent(p.high)}), {p.decision}"
        for p in points
    )
