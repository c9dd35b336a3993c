"""How pages are written: templates in which everything is escaped, and the one script that may run."""

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from quantgate.pipelines.gates.wording import broke_in, percent_bound
from quantgate.pipelines.report.wording import (
    percent,
    plural,
    points,
    probability,
    ratio,
    size,
    speed_figure,
)

FOLDER = Path(__file__).parent
"""Where the templates, styles and script of a build's page lie; other pages share the styles."""


def read_part(name: str) -> str:
    """Return a file of this folder as text."""
    return (FOLDER / name).read_text(encoding="utf-8")


def script_hash(script: str) -> str:
    """Return a script's sha256 as a content security policy names it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def page_environment(folder: Path = FOLDER) -> Environment:
    """Return what renders the templates of a folder: what is not given is an error."""
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(folder),
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
        "ratio": ratio,
        "speed_figure": speed_figure,
    }
    return environment
