"""A calibration plot: how often items broke that were given such a chance of breaking."""

from typing import TYPE_CHECKING

from quantgate.pipelines.paired.exact import break_rate_bound, share_lower_bound
from quantgate.pipelines.report.charts.canvas import drawn
from quantgate.pipelines.report.charts.svg import CARD, INK, LINE, PASS, QUIET
from quantgate.pipelines.report.predictions.scoring import PredictionScore, ReliabilityBin
from quantgate.pipelines.report.wording import percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ONE_SIDED = 0.975
"""Both bounds together cover 95 %."""
_TICKS = (0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


def reliability_chart(score: PredictionScore) -> str:
    """Draw one point a bin of chances, with the exact interval of its rate and how many items it has.

    Both axes are square roots: most chances are small.
    """

    def draw(axes: "Axes") -> None:
        highest = max(0.12, *(max(_high(each), each.mean_chance) for each in score.bins)) * 1.08
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0)
        for each in score.bins:
            x = each.mean_chance
            axes.plot([x, x], [_low(each), _high(each)], color=PASS, linewidth=1.4, zorder=2)
            axes.scatter(
                [x],
                [each.rate],
                marker="o",
                s=56,
                color=PASS,
                edgecolors=CARD,
                linewidths=0.8,
                zorder=4,
            )
            axes.annotate(
                f"{each.items:,}",
                (x, _high(each)),
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                color=INK,
            )
        for scale, limits in ((axes.set_xscale, axes.set_xlim), (axes.set_yscale, axes.set_ylim)):
            scale("function", functions=(lambda share: abs(share) ** 0.5, lambda root: root**2))
            limits(0, min(1.06, highest))
        ticks = [tick for tick in _TICKS if tick <= highest]
        axes.set_xticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
        axes.set_yticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
        axes.grid(color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel("chance of breaking, said before")
        axes.set_ylabel("share that broke")

    return drawn(
        draw,
        name="reliability-chart",
        title="Breaks foretold and breaks seen",
        description=" ".join(
            f"{plural(each.items, 'item')} at {percent(each.mean_chance)}: {percent(each.rate)} broke"
            f" ({percent(_low(each))} to {percent(_high(each))})."
            for each in score.bins
        ),
    )


def _low(each: ReliabilityBin) -> float:
    return share_lower_bound(each.broke, each.items, _ONE_SIDED)


def _high(each: ReliabilityBin) -> float:
    return break_rate_bound(each.broke, each.items, _ONE_SIDED)
