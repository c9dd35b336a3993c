"""One answer to decide on, shown and asked about in a terminal."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from quantgate.flows.cli.views.rendering import open_console
from quantgate.pipelines.domain.suites.adjudication import Mark
from quantgate.pipelines.report.differences import Shown, side_by_side
from quantgate.pipelines.report.review_queue import ReviewEntry
from quantgate.pipelines.report.wording import visible

_MARKS = {"e": Mark.EQUIVALENT, "b": Mark.BETTER, "w": Mark.WORSE}
_QUESTION = "(e)quivalent, (b)etter, (w)orse, (s)kip, (q)uit: "


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewerChoice:
    """What a person said; `mark` is None where the answer was skipped."""

    mark: Mark | None
    note: str = ""


def ask(
    entry: ReviewEntry,
    *,
    number: int,
    total: int,
    console: Console | None = None,
    read: Callable[[str], str] = input,
) -> ReviewerChoice | None:
    """Show an answer beside the base's and ask; None where the person wants to stop."""
    console = console or open_console()
    console.print(_panel(entry, number, total))
    while True:
        try:
            key = read(_QUESTION).strip().lower()[:1]
        except EOFError:
            return None
        if key == "q":
            return None
        if key == "s":
            return ReviewerChoice(mark=None)
        if key in _MARKS:
            return ReviewerChoice(mark=_MARKS[key], note=read("why (may be empty): ").strip())
        console.print("e, b, w, s or q")


def _panel(entry: ReviewEntry, number: int, total: int) -> Panel:
    reference, answer = side_by_side(entry.reference.shown, entry.answer.shown)
    text = Text()
    text.append(visible(entry.question) + "\n\n")
    text.append("expected   ", style="dim").append(visible(entry.expected) + "\n")
    text.append("base       ", style="dim").append_text(_marked(reference, "black on cyan"))
    text.append("\nthis       ", style="dim").append_text(_marked(answer, "black on yellow"))
    text.append("\ngrader     ", style="dim").append(visible(entry.answer.grade.reason))
    text.append("\ngiven by   ", style="dim").append(", ".join(entry.given_by))
    if entry.decided is not None:
        decision = f"{entry.decided.mark} ({entry.decided.decided_by}, {entry.decided.decided_on})"
        text.append("\ndecided    ", style="dim").append(decision)
    title = f"{number}/{total}  {entry.item.id}  {entry.why}  [{', '.join(entry.item.slices)}]"
    return Panel(text, title=Text(title), title_align="left")


def _marked(shown: Shown, style: str) -> Text:
    text = Text()
    if shown.left_out_before:
        text.append(f"… {shown.left_out_before} equal characters … ", style="dim")
    for segment in shown.segments:
        text.append(segment.text, style=style if segment.changed else "")
    if shown.left_out_after:
        text.append(f" … {shown.left_out_after} more characters", style="dim")
    return text
