"""What matplotlib writes, made part of a page: in its colours and font, with a title that is read aloud."""

import re
from html import escape

INK, QUIET, LINE, CARD = "#010101", "#010102", "#010103", "#010104"
PASS, FAIL, INCONCLUSIVE = "#010105", "#010106", "#010107"
"""Colours by their part, as matplotlib is given them; a style sheet says what they are in each scheme."""

_VARIABLES = {
    INK: "var(--ink)",
    QUIET: "var(--quiet)",
    LINE: "var(--line)",
    CARD: "var(--card)",
    PASS: "var(--pass-ink)",
    FAIL: "var(--fail-ink)",
    INCONCLUSIVE: "var(--inconclusive-ink)",
}
_LEFT_OUT = re.compile(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL)
_UNUSED = re.compile(r' clip-path="[^"]*"| id="(?!m[0-9a-f]{10}")[^"]*"')
_FONT = re.compile(r"font-family: [^;\"]*;? ?")
_COLOUR = re.compile("|".join(_VARIABLES))
_HEAD = re.compile(r'<svg[^>]* width="([\d.]+)pt" height="([\d.]+)pt"[^>]*>')


def page_svg(written: str, *, name: str, title: str, description: str) -> str:
    """Return an SVG element for a page, read aloud by `title` and `description`; ids begin with `name`.

    Text stays text, in the page's font. Nothing is clipped, so nothing refers to an address.
    """
    body = _LEFT_OUT.sub("", written[written.index("<svg") :])
    head = _HEAD.match(body)
    assert head is not None
    width, height = head.groups()
    body = _UNUSED.sub("", body[head.end() :].replace("<defs>\n  \n </defs>", ""))
    body = re.sub(r'(id="|href="#)(m[0-9a-f]{10}")', rf"\g<1>{name}-\2", body)
    body = _COLOUR.sub(lambda match: _VARIABLES[match.group()], _FONT.sub("", body))
    body = re.sub(r"\s*\n\s*", " ", body.replace("xlink:href", "href"))
    return (
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" stroke-linejoin="round" '
        f'aria-labelledby="{name}-title {name}-description">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-description">{escape(description)}</desc>{body.strip()}'
    )


def standalone_svg(element: str, colours: str) -> str:
    """Return a page's element as a file of its own; `colours` is the rule that says what they are.

    It has the paper that its ink is made for: who shows it may have dark pages, as Prefect's are.
    """
    rules = "svg { background: var(--card); } text { font-family: var(--sans); }"
    style = f"<style>{colours} {rules}</style>"
    named = element.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    head, separator, body = named.partition(">")
    return f"{head}{separator}{style}{body}\n"
