"""Documents: every link leads somewhere, and the index for programs names every page."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import PROJECT

DOCS = PROJECT / "docs"
PAGES = [
    *sorted(DOCS.glob("*.md")),
    DOCS / "llms.txt",
    *sorted(PROJECT.glob("*.md")),
    *sorted((PROJECT / "examples").rglob("README.md")),
]
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"```.*?```", re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    levelled = (re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip() for heading in headings)
    return {heading.lower().replace(" ", "-") for heading in levelled}


def dead_links(page: Path) -> Iterator[str]:
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(dead_links(page)) == []


def test_the_index_for_programs_names_every_page_once() -> None:
    named = LINK.findall((DOCS / "llms.txt").read_text(encoding="utf-8"))
    pages = [name for name in named if "/" not in name]
    assert sorted(pages) == sorted(page.name for page in DOCS.glob("*.md"))


def test_the_site_lists_every_page_once() -> None:
    navigation = (PROJECT / "requirements" / "site" / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"^ +- (\S+\.md)$", navigation, re.MULTILINE)
    assert sorted(listed) == sorted(page.name for page in DOCS.glob("*.md"))


def test_messages_of_the_troubleshooting_page_are_the_programs_own() -> None:
    joined = re.compile(r'"\s*\n\s*f?"')
    houses = ("flows", "pipelines", "calibration", "registry")
    sources = [
        path.read_text(encoding="utf-8")
        for house in houses
        for path in (PROJECT / house).rglob("*.py")
    ]
    program = joined.sub("", "\n".join(sources)).replace("`", "")
    cells = re.findall(r"^\| (.+?) \|", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)
    messages = [message for cell in cells for message in re.findall(r"`([^`]+)`", cell)]
    parts = [part.strip() for message in messages for part in message.split("…")]
    assert len(messages) > 15
    assert [part for part in parts if part not in program] == []
