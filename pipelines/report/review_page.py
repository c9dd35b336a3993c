"""The review queue as an HTML form: one self-contained file that saves the file which the terminal writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.suites.adjudication import Mark
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.verdicts.verdict import PairOutcome
from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.report.differences import Shown, side_by_side
from quantgate.pipelines.report.page.environment import page_environment, read_part, script_hash
from quantgate.pipelines.report.review_queue import ReviewEntry
from quantgate.pipelines.report.wording import visible

_FOLDER = Path(__file__).parent
_STYLES = {PairOutcome.BROKE.value: "broke", PairOutcome.FIXED.value: "fixed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewCard:
    """One entry as shown."""

    number: int
    entry: ReviewEntry
    style: str
    question: str
    expected: str
    reference: Shown
    answer: Shown
    reason: str


def write_review_page(build: str, suite: Suite, entries: Sequence[ReviewEntry], path: Path) -> None:
    """Write the form, atomically."""
    write_text(path, render_review_page(build, suite, entries))


def render_review_page(build: str, suite: Suite, entries: Sequence[ReviewEntry]) -> str:
    """Return the form as text. Everything a model or a file said is escaped."""
    script = (_FOLDER / "review.js").read_text(encoding="utf-8")
    style = read_part("page.css") + (_FOLDER / "review.css").read_text(encoding="utf-8")
    return (
        page_environment(_FOLDER)
        .get_template("review.html")
        .render(
            build=build,
            suite=suite,
            cards=[_card(number, entry) for number, entry in enumerate(entries)],
            marks=[mark.value for mark in Mark],
            style=style,
            script=script,
            script_hash=script_hash(script),
        )
    )


def _card(number: int, entry: ReviewEntry) -> ReviewCard:
    reference, answer = side_by_side(entry.reference.shown, entry.answer.shown)
    return ReviewCard(
        number=number,
        entry=entry,
        style=_STYLES.get(entry.why, "wrong"),
        question=visible(entry.question),
        expected=visible(entry.expected),
        reference=reference,
        answer=answer,
        reason=visible(entry.answer.grade.reason),
    )
