"""Writes a build's HTML page: one self-contained file that needs no network and works without JavaScript."""

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.gates.wording import broke_in, percent_bound
from quantgate.pipelines.report.build_report import BuildReport
from quantgate.pipelines.report.page_view import SYMBOLS, page_view
from quantgate.pipelines.report.wording import percent, plural, points, probability, size

FOLDER = Path(__file__).parent
"""Where templates, styles and scripts of pages lie."""


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
    script = (FOLDER / "page.js").read_text(encoding="utf-8")
    return (
        page_environment()
        .get_template("page.html")
        .render(
            view=page_view(report),
            script=script,
            script_hash=script_hash(script),
            style=(FOLDER / "page.css").read_text(encoding="utf-8"),
            symbols=SYMBOLS,
        )
    )


def script_hash(script: str) -> str:
    """Return a script's sha256 as a content security policy names it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def page_environment() -> Environment:
    """Return what renders pages: everything is escaped, and what is not given is an error."""
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "percent_bound": percent_bound,
        "points": points,
        "probability": probability,
        "size": size,
        "plural": plural,
        "broke_in": broke_in,
    }
    return environment
