"""A board that also writes down what is under way, so that any terminal can tell (`quantgate status`)."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.flows.progress.board import Board
from quantgate.flows.progress.clocks import Clock, SteadyClock
from quantgate.flows.progress.counting import Pace
from quantgate.pipelines.files.records import read_record, write_record
from quantgate.pipelines.files.second_level import hearing_waits
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.memory import tree_resident_bytes

LOG = "log.jsonl"
_WRITE_EVERY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitProgress:
    """How far a step of a unit is. Moments are seconds since 1970; `ended_at` is None while it is under way.

    `done` of `total` of whatever `phase` counts; `left_seconds` is a guess from the pace so far, and
    `tokens_per_second` that of what generates `tokens`.
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
    tokens: int = 0
    tokens_per_second: float | None = None

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
    resident_bytes: int | None = None
    """Memory that this process and its children hold, None where the system tells nothing."""


def read_progress(file: Path) -> BuildProgress:
    """Return what was written down last, nothing where nothing was.

    Raises:
        InputError: the file is damaged.
    """
    return read_record(BuildProgress, file) if file.is_file() else BuildProgress(units=())


class RecordedBoard:
    """Shows units on another board, and keeps a file of how far each is, written once a second at most."""

    def __init__(
        self,
        board: Board,
        file: Path,
        clocks: Callable[[], Clock] = SteadyClock,
        build: Path | None = None,
    ) -> None:
        """Begin anew: what an earlier run wrote down is over; the log in the folder of the build goes on.

        Each unit has a clock of its own from `clocks`: the time of day when it began is right for each.
        """
        self._board, self._file, self._clocks, self._clock = board, file, clocks, clocks()
        self._build = build or file.parent
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
        key, clock = (step, identifier), self._clocks()
        pace, begun = Pace(clock), UnitProgress(step=step, unit=identifier, began_at=clock())
        waits = _Waits(clock)
        self._note(key, begun)
        self._log(begun)
        failed = True
        try:
            with self._board.unit(step, identifier) as show:

                def hear(progress: Progress) -> None:
                    show(progress)
                    self._heard(key, progress, pace)

                def hear_wait(reason: str) -> None:
                    waits.hear(reason)
                    hear(Progress(done=0, total=0, what=reason))

                with hearing_waits(hear_wait):
                    yield hear
            failed = False
        finally:
            ended = replace(self._units[key], ended_at=clock(), failed=failed)
            self._note(key, replace(ended, left_seconds=None))
            self._log(ended, waits.seconds)

    def _heard(self, key: tuple[str, str], progress: Progress, pace: Pace) -> None:
        with self._lock:
            left = pace.seconds_left(progress)
            self._units[key] = replace(
                self._units[key],
                phase=progress.what,
                done=progress.done,
                total=progress.total,
                left_seconds=left,
                tokens=progress.tokens,
                tokens_per_second=pace.tokens_per_second,
            )
            if self._clock() - self._written_at >= _WRITE_EVERY_SECONDS:
                self._write()

    def _note(self, key: tuple[str, str], progress: UnitProgress) -> None:
        with self._lock:
            self._units[key] = progress
            self._write()

    def _log(self, unit: UnitProgress, waited_seconds: float = 0.0) -> None:
        """Append a line to the log beside the file: what began or ended, of which build, for programs.

        What a unit took is without its waits: they are others' work, and another run may have none.
        """
        line = {
            "time": unit.began_at if unit.ended_at is None else unit.ended_at,
            "event": "began" if unit.ended_at is None else "failed" if unit.failed else "done",
            "build": self._build.name,
            "step": unit.step,
            "unit": unit.unit,
            "process": os.getpid(),
        }
        if unit.ended_at is not None:
            line["seconds"] = round(unit.ended_at - unit.began_at - waited_seconds, 3)
        with suppress(OSError), (self._build / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps(line, ensure_ascii=False) + "\n")  # one write: lines stay whole

    def _write(self) -> None:
        self._written_at = self._clock()
        with suppress(
            OSError
        ):  # a full disk stops units that need it, not one that only says how far it is
            units, resident = tuple(self._units.values()), tree_resident_bytes()
            write_record(self._file, BuildProgress(units=units, resident_bytes=resident))


class _Waits:
    """How long a unit has waited for others, by what it says of that."""

    def __init__(self, clock: Clock) -> None:
        """It waits for nobody."""
        self._clock = clock
        self._since: float | None = None
        self.seconds = 0.0

    def hear(self, reason: str) -> None:
        """Begin to wait, for another reason where it does already; or go on, where there is none."""
        now = self._clock()
        if self._since is not None:
            self.seconds += now - self._since
        self._since = now if reason else None
