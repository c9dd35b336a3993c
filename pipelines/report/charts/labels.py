"""Names beside the points that they belong to, none over another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantgate.pipelines.report.charts.canvas import FONT_POINTS
from quantgate.pipelines.report.charts.svg import INK, LINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CHARACTER_WIDTH = 0.58 * FONT_POINTS
_LINE_HEIGHT = 1.2 * FONT_POINTS
_MARKER = 9.0
_STEPS = (0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 4.0, -4.0, 6.0, -6.0, 8.0, -8.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A name at a point, in the units of its axes; a `strong` one is written first and heavier."""

    text: str
    x: float
    y: float
    strong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box:
    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: "_Box") -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )

    def within(self, other: "_Box") -> bool:
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.bottom <= self.bottom
            and self.top <= other.top
        )


def place_labels(axes: "Axes", labels: Sequence[Label]) -> None:
    """Write every label right or left of its point, as near as others leave room, with a line where far.

    Limits and layout of the axes have to be settled. One without room is written over others.
    """
    from matplotlib.transforms import ScaledTranslation

    figure = axes.figure
    figure.canvas.draw()
    points = [tuple(axes.transData.transform((label.x, label.y))) for label in labels]
    frame = axes.get_window_extent()
    sheet = _Box(left=frame.x0, bottom=frame.y0, right=frame.x1 + 12, top=frame.y1 + 14)
    taken = [
        _Box(
            left=x - _MARKER / 2, bottom=y - _MARKER / 2, right=x + _MARKER / 2, top=y + _MARKER / 2
        )
        for x, y in points
    ]
    order = sorted(range(len(labels)), key=lambda at: not labels[at].strong)
    for at in order:
        label, (x, y) = labels[at], points[at]
        box, side, shift = _free(label, x, y, [b for n, b in enumerate(taken) if n != at], sheet)
        taken.append(box)
        offset = ScaledTranslation(side * _MARKER / 72, shift / 72, figure.dpi_scale_trans)
        axes.text(
            label.x,
            label.y,
            label.text,
            transform=axes.transData + offset,
            ha="left" if side > 0 else "right",
            va="center",
            color=INK,
            fontweight="bold" if label.strong else "normal",
            zorder=5,
        )
        if abs(shift) > _LINE_HEIGHT:
            axes.annotate(
                "",
                (label.x, label.y),
                xytext=(side * _MARKER, shift),
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": LINE, "linewidth": 0.8},
            )


def _free(
    label: Label, x: float, y: float, taken: Sequence[_Box], sheet: _Box
) -> tuple[_Box, int, float]:
    """Return the nearest free box, its side of the point, and how far it is moved up; else the first box."""
    width = len(label.text) * _CHARACTER_WIDTH * (1.08 if label.strong else 1.0)
    first: tuple[_Box, int, float] | None = None
    for step in _STEPS:
        for side in (1, -1):
            shift = step * _LINE_HEIGHT * 0.6
            start = x + _MARKER if side > 0 else x - _MARKER - width
            middle = y + shift
            box = _Box(
                left=start,
                bottom=middle - _LINE_HEIGHT / 2,
                right=start + width,
                top=middle + _LINE_HEIGHT / 2,
            )
            first = first or (box, side, shift)
            if box.within(sheet) and not any(box.overlaps(other) for other in taken):
                return box, side, shift
    assert first is not None
    return first
