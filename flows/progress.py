"""Progress a person can follow: bars on a terminal, one plain line an event elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from pipelines.process.calls import OnProgress, Progress


class Board(Protocol):
    """Shows what is under way."""

    def say(self, text: str) -> None:
        """Show one line."""
        ...

    def unit(self, step: str, identifier: str) -> AbstractContextManager[OnProgress]:
        """Show that a unit is under way until the block ends; safe from several threads at once."""
        ...


class PlainBoard:
    """One line when a unit starts and one when it ends; for logs, pipes and CI."""

    def __init__(self, write: Callable[[str], None] | None = None) -> None:
        """Write lines to standard error, or to `write`."""
        self._write = write or _to_stderr
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Show one line."""
        with self._lock:
            self._write(text)

    @contextmanager
    def unit(self, step: str, identifier: str) -> Iterator[OnProgress]:
        """Say when the unit starts, and how it ended after how long."""
        started = time.monotonic()
        self.say(f"{step}: {identifier}")
        try:
            yield _drop
        except BaseException:
            self.say(f"{step}: {identifier} FAILED after {time.monotonic() - started:.0f} s")
            raise
        self.say(f"{step}: {identifier} done in {time.monotonic() - started:.0f} s")


@contextmanager
def open_board() -> Iterator[Board]:
    """Yield the board that suits standard error: live bars on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield PlainBoard()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("[bold]{task.fields[step]:<13}[/]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), refresh_per_second=8) as bars:
        yield _LiveBoard(bars)


class _LiveBoard:
    """A bar for every unit under way; finished ones stay as a line with their time."""

    def __init__(self, bars: "Bars") -> None:  # type: ignore[name-defined]  # noqa: F821 - imported on a terminal only
        self._bars = bars

    def say(self, text: str) -> None:
        self._bars.console.print(f"[dim]{text}[/]", highlight=False)

    @contextmanager
    def unit(self, step: str, identifier: str) -> Iterator[OnProgress]:
        task = self._bars.add_task(identifier, total=None, step=step)

        def hear(progress: Progress) -> None:
            self._bars.update(task, completed=progress.done, total=progress.total or None)

        started = time.monotonic()
        try:
            yield hear
        except BaseException:
            self._end(task, f"[red]✗ {step:<13}[/] {identifier}", started)
            raise
        self._end(task, f"[green]✓[/] [bold]{step:<13}[/] {identifier}", started)

    def _end(self, task: int, line: str, started: float) -> None:
        self._bars.remove_task(task)
        seconds = time.monotonic() - started
        self._bars.console.print(f"{line}  [dim]{seconds:.0f} s[/]", highlight=False)


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _drop(_: Progress) -> None:
    """Plain lines do not show how far a unit is."""
