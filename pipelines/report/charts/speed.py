"""How fast variants answered, where the runtime that was asked is one that serves."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from quantgate.pipelines.report.charts.canvas import drawn
from quantgate.pipelines.report.charts.points import ChartPoint
from quantgate.pipelines.report.charts.svg import CARD, INK, LINE, QUIET
from quantgate.pipelines.report.wording import size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW, _FRAME = 26.0, 60.0


def speed_chart(points: Sequence[ChartPoint]) -> str:
    """Draw tokens a second of the variants that have a measured value, the fastest first."""
    measured = sorted(
        (point for point in points if point.tokens_per_second),
        key=lambda point: -(point.tokens_per_second or 0.0),
    )

    def draw(axes: "Axes") -> None:
        speeds = [point.tokens_per_second or 0.0 for point in measured]
        rows = range(len(measured))
        axes.hlines(rows, 0, speeds, color=LINE, linewidth=2.0, zorder=1)
        shapes = ["*" if point.champion else "o" for point in measured]
        for row, speed, shape in zip(rows, speeds, shapes, strict=True):
            area = 200.0 if shape == "*" else 56.0
            axes.scatter([speed], [row], marker=shape, s=area, color=INK, edgecolors=CARD, zorder=3)
            axes.annotate(
                f"{speed:,.0f}",
                (speed, row),
                xytext=(9, 0),
                textcoords="offset points",
                va="center",
                color=QUIET,
            )
        names = [f"{point.name}, {size(point.size_bytes)}" for point in measured]
        axes.set_yticks(rows, names)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(measured) - 0.5, -0.5)
        axes.set_xlim(0, max(speeds) * 1.14)
        axes.set_xlabel("answer tokens a second, prompts and loading included")

    return drawn(
        draw,
        name="speed-chart",
        title="Tokens a second in the serving runtime",
        description="; ".join(f"{p.name}: {p.tokens_per_second:,.0f}" for p in measured),
        height=_FRAME + _ROW * len(measured),
    )
