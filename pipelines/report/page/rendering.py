"""Writes a build's HTML page: one self-contained file that needs no network and works without JavaScript."""

from pathlib import Path

from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.report.build_report import BuildReport
from quantgate.pipelines.report.charts.page_charts import page_charts
from quantgate.pipelines.report.page.environment import page_environment, read_part, script_hash
from quantgate.pipelines.report.page.view import SYMBOLS, page_view


def write_page(report: BuildReport, path: Path) -> None:
    """Write the page, atomically.

    Raises:
        InputError: where the report's reference runs do not belong together.
    """
    write_text(path, render_page(report))


def render_page(report: BuildReport) -> str:
    """Return the page as text. Everything a model or a file said is escaped.

    A content security policy in the page lets no script run but its own, named by hash, and nothing
    be fetched.
    """
    script = read_part("page.js")
    return (
        page_environment()
        .get_template("page.html")
        .render(
            view=page_view(report),
            charts=page_charts(report),
            script=script,
            script_hash=script_hash(script),
            style=read_part("page.css"),
            symbols=SYMBOLS,
        )
    )
