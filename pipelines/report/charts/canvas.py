"""A sheet to draw on: matplotlib's, imported when a page is made; the same drawing has the same bytes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING

from quantgate.pipelines.report.charts.svg import INK, LINE, QUIET, page_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 520.0, 340.0
"""In points, each a pixel of a page that shows a chart at its own size."""
FONT_POINTS = 12.0

_POINTS_PER_INCH = 72.0
_settings = threading.Lock()
"""matplotlib's settings are the process's: two pages are never drawn at once."""


def drawn(
    draw: Callable[["Axes"], None],
    *,
    name: str,
    title: str,
    description: str,
    height: float = HEIGHT,
) -> str:
    """Return what `draw` draws as an SVG element for a page; see `page_svg`."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with _settings, _same_bytes(name):
        figure = Figure(
            figsize=(WIDTH / _POINTS_PER_INCH, height / _POINTS_PER_INCH),
            layout="constrained",
            facecolor="none",
        )
        FigureCanvasSVG(figure)
        axes = figure.add_subplot(facecolor="none")
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(LINE)
        draw(axes)
        written = StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return page_svg(written.getvalue(), name=name, title=title, description=description)


@contextmanager
def _same_bytes(name: str) -> Iterator[None]:
    """Take nothing from a machine's settings: ids follow from the drawing, text stays text."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams |= {
            "svg.hashsalt": name,
            "svg.fonttype": "none",
            "font.size": FONT_POINTS,
            "text.color": INK,
            "axes.labelcolor": QUIET,
            "xtick.color": QUIET,
            "ytick.color": QUIET,
            "axes.unicode_minus": True,
            "text.parse_math": False,
        }
        yield
