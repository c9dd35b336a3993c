"""The board of a terminal: a bar for every unit under way, a line for every unit that ended."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from quantgate.flows.progress.counting import Pace, counted, time_left, token_rate
from quantgate.flows.progress.ends import UnitEnd, timed
from quantgate.pipelines.process.calls import OnProgress, Progress


@contextmanager
def live_board(console: Console) -> Iterator["LiveBoard"]:
    """Show a board on a terminal until the block ends, however it does; no bar stays on the screen."""
    columns = (
        SpinnerColumn(),
        TextColumn("[bold]{task.fields[step]:<13}[/]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[count]}"),
        TextColumn("[dim]{task.fields[phase]}[/]"),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[left]}[/]"),
    )
    with Bars(*columns, console=console, refresh_per_second=8, transient=True) as bars:
        yield LiveBoard(bars)


class LiveBoard:
    """A bar a unit, and lines above the bars."""

    def __init__(self, bars: Bars) -> None:
        """Show units on these bars."""
        self._bars = bars

    def say(self, text: str) -> None:
        """Show one line above the bars."""
        self._bars.console.print(f"[dim]{escape(text)}[/]", highlight=False)

    @contextmanager
    def unit(self, step: str, identifier: str) -> Iterator[OnProgress]:
        """Show a bar until the block ends, then a line with the time it took."""
        bar = _Bar(self._bars, step, identifier)

        def end(ended: UnitEnd) -> None:
            bar.remove()
            self._bars.console.print(ended.markup, highlight=False)

        with timed(step, identifier, time.monotonic, end):
            yield bar.hear


class _Bar:
    """One unit's bar; what is heard after its end is dropped."""

    def __init__(self, bars: Bars, step: str, identifier: str) -> None:
        self._bars, self._step, self._identifier = bars, step, escape(identifier)
        self._pace, self._lock = Pace(), threading.Lock()
        self._total: int | None = None
        self._task: TaskID | None = self._add()

    def hear(self, progress: Progress) -> None:
        with self._lock:
            if self._task is None:
                return
            if self._total and not progress.total:  # rich keeps a total that became unknown
                self._bars.remove_task(self._task)
                self._task = self._add()
            self._total = progress.total or None
            left = time_left(self._pace.seconds_left(progress))
            phase = (progress.what, token_rate(self._pace.tokens_per_second))
            self._bars.update(
                self._task,
                completed=progress.done,
                total=self._total,
                count=counted(progress.done, self._total),
                phase=escape(", ".join(filter(None, phase))),
                left=left,
            )

    def remove(self) -> None:
        with self._lock:
            if self._task is not None:
                self._bars.remove_task(self._task)
            self._task = None

    def _add(self) -> TaskID:
        return self._bars.add_task(
            self._identifier, total=None, step=self._step, count="", phase="", left=""
        )
