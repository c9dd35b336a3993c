"""A board that also writes down what is under way, so that any terminal can tell (`quantgate status`)."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.flows.progress.board import Board
from quantgate.flows.progress.counting import Pace
from quantgate.pipelines.files.records import read_record, write_record
from quantgate.pipelines.process.calls import OnProgress, Progress

_WRITE_EVERY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitProgress:
    """How far a step of a unit is. Moments are seconds since 1970; `ended_at` is None while it is under way.

    `done` of `total` of whatever `phase` counts; `left_seconds` is a guess from the pace so far.
    """

    step: str
    unit: str
    began_at: float
    ended_at: float | None = None
    failed: bool = False
    phase: str = ""
    done: int = 0
    total: int = 0
    left_seconds: float | None = None

    @property
    def percent(self) -> float | None:
        """How much is done, where that is known."""
        if self.ended_at is not None:
            return None if self.failed else 100.0
        return 100.0 * min(1.0, self.done / self.total) if self.total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildProgress:
    """All units of one run of a build, in the order in which they began."""

    units: tuple[UnitProgress, ...]


def read_progress(file: Path) -> BuildProgress:
    """Return what was written down last, nothing where nothing was.

    Raises:
        InputError: the file is damaged.
    """
    return read_record(BuildProgress, file) if file.is_file() else BuildProgress(units=())


class RecordedBoard:
    """Shows units on another board, and keeps a file of how far each is, written once a second at most."""

    def __init__(self, board: Board, file: Path, clock: Callable[[], float] = time.time) -> None:
        """Begin anew: what an earlier run wrote down is over."""
        self._board, self._file, self._clock = board, file, clock
        self._lock = threading.Lock()
        self._units: dict[tuple[str, str], UnitProgress] = {}
        self._written_at = 0.0
        self._write()

    def say(self, text: str) -> None:
        """Show one line."""
        self._board.say(text)

    @contextmanager
    def unit(self, step: str, identifier: str) -> Iterator[OnProgress]:
        """Show that a unit is under way until the block ends, and write it down."""
        key, pace = (step, identifier), Pace(self._clock)
        self._note(key, UnitProgress(step=step, unit=identifier, began_at=self._clock()))
        failed = True
        try:
            with self._board.unit(step, identifier) as show:

                def hear(progress: Progress) -> None:
                    show(progress)
                    self._heard(key, progress, pace.seconds_left(progress))

                yield hear
            failed = False
        finally:
            ended = replace(self._units[key], ended_at=self._clock(), failed=failed)
            self._note(key, replace(ended, left_seconds=None))

    def _heard(self, key: tuple[str, str], progress: Progress, left: float | None) -> None:
        with self._lock:
            self._units[key] = replace(
                self._units[key],
                phase=progress.what,
                done=progress.done,
                total=progress.total,
                left_seconds=left,
            )
            if self._clock() - self._written_at >= _WRITE_EVERY_SECONDS:
                self._write()

    def _note(self, key: tuple[str, str], progress: UnitProgress) -> None:
        with self._lock:
            self._units[key] = progress
            self._write()

    def _write(self) -> None:
        self._written_at = self._clock()
        with suppress(
            OSError
        ):  # a full disk stops units that need it, not one that only says how far it is
            write_record(self._file, BuildProgress(units=tuple(self._units.values())))
