"""On a phone and on paper the page shows what a wide screen shows."""

import re
from html.parser import HTMLParser

from quantgate.pipelines.report.page.environment import FOLDER
from quantgate.pipelines.report.page.rendering import render_page
from tests.support.verdicts.reports import example_report

SMALL = {"flat": 32, "numeric": 40, "refusal": 30, "tail": 6}
STYLE = (FOLDER / "page.css").read_text(encoding="utf-8")


class Cards(HTMLParser):
    """Collects the cells of tables that fold into cards, and the column heads of the first one."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[bool] = []
        self.unlabelled: list[str] = []
        self.labels: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "table":
            self.tables.append("cards" in (given.get("class") or ""))
        if tag == "td" and self.tables and self.tables[-1]:
            label = given.get("data-label")
            self.labels.append(label or "")
            if not label and "colspan" not in given:
                self.unlabelled.append(str(self.getpos()))

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self.tables.pop()


def cards() -> Cards:
    parsed = Cards()
    parsed.feed(render_page(example_report(SMALL)))
    return parsed


def test_every_cell_of_a_card_carries_the_name_of_its_column() -> None:
    assert cards().unlabelled == []


def test_what_decides_comes_first_in_a_row() -> None:
    labels = cards().labels
    assert labels[: labels.index("Weights / activations / KV") + 1] == [
        "Verdict",
        "Accuracy, base → variant",
        "Broke / fixed",
        "Break rate, at most",
        "Difference in points",
        "McNemar p",
        "Size, bits per weight",
        "Weights / activations / KV",
    ]


def test_unseen_text_cannot_widen_the_page() -> None:
    """What is placed absolutely belongs to the frame that scrolls, not to the page."""
    assert re.search(r"\.scroll \{[^}]*position: relative", STYLE)


def test_paper_has_no_frames_to_scroll() -> None:
    paper = STYLE[STYLE.index("@media print") :]
    assert re.search(r"\.scroll \{[^}]*overflow: visible", paper)


def test_on_paper_every_size_shrinks_with_the_text_around_it() -> None:
    """A badge, a label of a fact or a note that has a size of its own would be larger than its sentence."""
    screen, _, paper = STYLE.partition("@media print")
    assert re.search(r"html \{ font-size: \d+px; \}", paper)
    assert (
        re.findall(
            r"([^{}]+?) \{[^}]*font(?:-size)?: [\d.]+px", screen[screen.index("html {") + 6 :]
        )
        == []
    )
