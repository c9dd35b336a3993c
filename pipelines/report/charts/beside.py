"""A figure of every timed variant beside its base: its share of the base's, with the spread of the rounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantgate.pipelines.domain.speed import SpeedFigure
from quantgate.pipelines.report.charts.canvas import drawn
from quantgate.pipelines.report.charts.points import ChartPoint
from quantgate.pipelines.report.charts.svg import CARD, INK, QUIET

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW, _FRAME = 26.0, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideBase:
    """A figure to draw: its name among speeds, what the chart is called, and how a value is written."""

    figure: str
    name: str
    title: str
    axis: str
    written: Callable[[float], str]


def beside_chart(points: Sequence[ChartPoint], beside: BesideBase) -> str:
    """Draw the ratio of every timed variant to its base, a dotted line at 1; "" where none was timed."""
    rows = _rows(points, beside.figure)
    if not rows:
        return ""

    def draw(axes: "Axes") -> None:
        axes.axvline(1.0, color=QUIET, linestyle=":", linewidth=1.5, zorder=1)
        for row, (point, figure) in enumerate(rows):
            ratio = figure.ratio
            axes.hlines([row], [ratio.low], [ratio.high], color=QUIET, linewidth=2.0, zorder=2)
            shape, area = ("*", 200.0) if point.champion else ("o", 56.0)
            axes.scatter(
                [ratio.median], [row], marker=shape, s=area, color=INK, edgecolors=CARD, zorder=3
            )
            axes.annotate(
                beside.written(figure.variant.median),
                (1.0, row),
                xycoords=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                color=QUIET,
            )
        axes.set_yticks(range(len(rows)), [point.name for point, _ in rows])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(0, 1.35 * max(1.0, *(figure.ratio.high for _, figure in rows)))
        axes.set_xlabel(beside.axis)

    return drawn(
        draw,
        name=beside.name,
        title=beside.title,
        description="; ".join(
            f"{point.name}: {figure.ratio.median:.2f} of the base "
            f"({figure.ratio.low:.2f} to {figure.ratio.high:.2f}), "
            f"{beside.written(figure.variant.median)}"
            for point, figure in rows
        ),
        height=_FRAME + _ROW * len(rows),
    )


def _rows(points: Sequence[ChartPoint], name: str) -> list[tuple[ChartPoint, SpeedFigure]]:
    figures = ((point, point.speed.figure(name)) for point in points if point.speed)
    return [(point, figure) for point, figure in figures if figure is not None]
