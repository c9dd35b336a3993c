"""Progress a person can follow: bars on a terminal, one plain line an event elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console

from quantgate.flows.progress.counting import Pace, counted, time_left, token_rate
from quantgate.flows.progress.ends import timed
from quantgate.flows.progress.live_board import live_board
from quantgate.flows.progress.loudness import Loudness, loudness
from quantgate.pipelines.process.calls import OnProgress, Progress

_SAY_EVERY_SECONDS = 60.0


class Board(Protocol):
    """Shows what is under way."""

    def say(self, text: str) -> None:
        """Show one line."""
        ...

    def unit(self, step: str, identifier: str) -> AbstractContextManager[OnProgress]:
        """Show that a unit is under way until the block ends; safe from several threads at once."""
        ...


class PlainBoard:
    """A line when a unit starts, one when it ends, one a minute between; for logs, pipes and CI."""

    def __init__(
        self,
        write: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write lines to standard error, or to `write`."""
        self._write, self._clock = write or _to_stderr, clock
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Show one line."""
        with self._lock:
            self._write(text)

    @contextmanager
    def unit(self, step: str, identifier: str) -> Iterator[OnProgress]:
        """Say when the unit starts, and how it ended after how long."""
        unit = f"{step}: {identifier}"
        self.say(unit)
        with timed(step, identifier, self._clock, lambda end: self.say(end.plain)):
            yield self._reporter(unit)

    def _reporter(self, unit: str) -> OnProgress:
        """Return what says how far a unit is, once a minute, where that is known."""
        pace, said = Pace(self._clock), self._clock()

        def hear(progress: Progress) -> None:
            nonlocal said
            left = time_left(pace.seconds_left(progress))
            if not progress.total or self._clock() - said < _SAY_EVERY_SECONDS:
                return
            said = self._clock()
            parts = (
                counted(progress.done, progress.total),
                token_rate(pace.tokens_per_second),
                left,
            )
            self.say(f"{unit}: {', '.join(filter(None, parts))}")

        return hear


def plain_board() -> PlainBoard:
    """Return a board of lines, as loud as `flows.progress.loudness` says: none, or each with its time."""
    writers = {Loudness.QUIET: _nothing, Loudness.USUAL: _to_stderr, Loudness.VERBOSE: _with_time}
    return PlainBoard(writers[loudness()])


@contextmanager
def open_board() -> Iterator[Board]:
    """Yield the board that suits standard error: live bars on a terminal, plain lines elsewhere.

    What `flows.progress.loudness` says comes first (`plain_board`).
    """
    if loudness() is not Loudness.USUAL or not sys.stderr.isatty():
        yield plain_board()
        return
    with live_board(Console(stderr=True)) as board:
        yield board


def _nothing(_line: str) -> None:
    """Tell nobody."""


def _with_time(line: str) -> None:
    _to_stderr(f"{time.strftime('%H:%M:%S')} {line}")


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
