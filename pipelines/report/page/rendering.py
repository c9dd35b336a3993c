"""Writes a build's HTML page: one self-contained file that needs no network and works without JavaScript."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.report.build_report import CHARTS, BuildReport
from quantgate.pipelines.report.charts.page_charts import PageChart, page_charts
from quantgate.pipelines.report.charts.svg import standalone_svg
from quantgate.pipelines.report.page.environment import page_environment, read_part, script_hash
from quantgate.pipelines.report.page.view import SYMBOLS, page_view

_COLOURS = re.compile(r":root \{[^}]*\}")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


def write_page(report: BuildReport, path: Path) -> None:
    """Write the page, atomically.

    Raises:
        InputError: where the report's reference runs do not belong together.
    """
    write_text(path, render_page(report))


def write_page_and_charts(report: BuildReport, path: Path) -> None:
    """Write the page, and beside it the charts that it has, as files that need no page.

    Raises:
        InputError: as `write_page`.
    """
    charts = page_charts(report)
    write_text(path, render_page(report, charts))
    folder = path.parent / CHARTS
    shutil.rmtree(folder, ignore_errors=True)
    colours = _COLOURS.findall(read_part("page.css"))[0]
    for chart in charts:
        name = _NOT_IN_NAMES.sub("-", chart.title.lower())
        write_text(folder / f"{name}.svg", standalone_svg(chart.svg, colours))


def render_page(report: BuildReport, charts: Sequence[PageChart] | None = None) -> str:
    """Return the page as text, its charts drawn if need be. Everything a model or a file said is escaped.

    A content security policy in the page lets no script run but its own, named by hash, and nothing
    be fetched.
    """
    script = read_part("page.js")
    return (
        page_environment()
        .get_template("page.html")
        .render(
            view=page_view(report),
            charts=page_charts(report) if charts is None else charts,
            script=script,
            script_hash=script_hash(script),
            style=read_part("page.css"),
            symbols=SYMBOLS,
        )
    )
