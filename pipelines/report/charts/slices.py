"""Break rates by slice: what was observed, the bound that is held against the limit, and the limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantgate.pipelines.domain.verdicts.verdict import SliceVerdict
from quantgate.pipelines.gates.wording import percent_bound
from quantgate.pipelines.report.charts.canvas import drawn
from quantgate.pipelines.report.charts.svg import CARD, FAIL, INK, LINE, PASS
from quantgate.pipelines.report.wording import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW, _FRAME = 34.0, 84.0
_APART = 0.19


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceSeries:
    """One variant's scopes, the whole suite first; `limits` are those of each."""

    name: str
    scopes: tuple[SliceVerdict, ...]
    limits: tuple[float, ...]


def slices_chart(series: Sequence[SliceSeries]) -> str:
    """Draw one row a scope for one variant or two: the first as circles, the second as crosses."""
    names = ["whole suite", *(scope.name for scope in series[0].scopes[1:])]

    def draw(axes: "Axes") -> None:
        for number, (each, shape, colour) in enumerate(
            zip(series, "oX", (PASS, FAIL), strict=False)
        ):
            shift = 0.0 if len(series) == 1 else (-_APART, _APART)[number]
            rows = [row + shift for row in range(len(each.scopes))]
            rates = [scope.statistics.break_rate for scope in each.scopes]
            bounds = [scope.statistics.break_rate_bound for scope in each.scopes]
            axes.hlines(rows, rates, bounds, color=colour, linewidth=1.6, zorder=2)
            axes.scatter(bounds, rows, marker="|", s=70, color=colour, zorder=3)
            axes.scatter(
                rates,
                rows,
                marker=shape,
                s=56,
                color=colour,
                edgecolors=CARD,
                linewidths=0.8,
                label=each.name,
                zorder=4,
                clip_on=False,
            )
        for row, most in enumerate(series[0].limits):
            axes.vlines(most, row - 0.42, row + 0.42, color=INK, linewidth=2.0, zorder=1)
        for row in range(len(names)):
            axes.axhline(row + 0.5, color=LINE, linewidth=0.6, zorder=0)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(axis="y", length=0)
        highest = max(s.statistics.break_rate_bound for each in series for s in each.scopes)
        axes.set_xlim(0, min(1.0, max(highest, *series[0].limits) * 1.06))
        axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
        axes.set_xlabel("break rate, and its upper bound")
        axes.figure.legend(loc="outside upper left", frameon=False, ncols=2, handletextpad=0.2)

    return drawn(
        draw,
        name="slices-chart",
        title="Break rate by slice",
        description=" ".join(_described(each, names) for each in series),
        height=_FRAME + _ROW * len(names),
    )


def _described(series: SliceSeries, names: Sequence[str]) -> str:
    parts = (
        f"{name} {percent(scope.statistics.break_rate)}, at most "
        f"{percent_bound(scope.statistics.break_rate_bound)}, limit {percent(most)}"
        for name, scope, most in zip(names, series.scopes, series.limits, strict=True)
    )
    return f"{series.name}: {'; '.join(parts)}."
