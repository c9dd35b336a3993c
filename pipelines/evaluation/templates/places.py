"""Where in a chat template something went wrong, also where all of it stands in one line.

Jinja tells the line of an exception and no column. A line break behind the opening of each tag changes
nothing of what a template does and gives each tag a line of its own; so a template that failed is run once
more with them. Imported in the child process that renders.
"""

from collections.abc import Callable
from dataclasses import dataclass

from jinja2 import Environment, Template, TemplateError

_OPENINGS = ("variable_begin", "block_begin")
_ENDS = ("variable_end", "block_end")
_LONGEST_TAG = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateTag:
    """A tag of a template: its text, cut where it is long, and the line it begins in, from 1."""

    text: str
    line: int


def failing_tag(
    jinja: Environment, source: str, line_of_failure: Callable[[Template], int]
) -> TemplateTag | None:
    """Return the tag in which a template fails; None where it does not fail again, or cannot be compiled.

    `line_of_failure` runs a template and returns the line that failed, 0 where none did.
    """
    try:
        marked, tags = _marked(jinja, source)
        line = line_of_failure(jinja.from_string(marked))
    except TemplateError:
        return None
    before = [number for number in tags if number <= line]
    return tags[max(before)] if before else None


def _marked(jinja: Environment, source: str) -> tuple[str, dict[int, TemplateTag]]:
    """Return the source with a line break in each tag, and the tags by the line that they then stand in."""
    written, tags = "", {}
    begun = opened_in = opened_at = 0
    for line, kind, text in jinja.lex(source):
        if kind in _OPENINGS:
            begun, opened_in = len(written), line
        written += text
        if kind in _OPENINGS:
            written += "\n"
            opened_at = written.count("\n") + 1
        if kind in _ENDS:
            shown = " ".join(written[begun:].split())
            cut = shown if len(shown) <= _LONGEST_TAG else shown[:_LONGEST_TAG] + " …"
            tags[opened_at] = TemplateTag(text=cut, line=opened_in)
    return written, tags
