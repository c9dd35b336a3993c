"""Units that other processes run: each writes down how far its own are, and the command's board shows them.

The files lie beside the build's, in the store, so that they are found whichever machine the process is on.
"""

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from quantgate.flows.progress.board import Board
from quantgate.flows.progress.recorded import UnitProgress, read_progress
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.process.calls import OnProgress, Progress, ignore_progress

FOLDER = "elsewhere"
_LOOK_SECONDS = 0.5


class SilentBoard:
    """Shows nothing: what its process does is written down, and shown by whoever reads that."""

    def say(self, _: str) -> None:
        """Show nothing."""

    @contextmanager
    def unit(self, _step: str, _identifier: str) -> Iterator[OnProgress]:
        """Show nothing."""
        yield ignore_progress


def file_of_this_process(build: Path) -> Path:
    """Return where this process writes down how far the units are that it runs of a build's folder."""
    return build / FOLDER / f"{socket.gethostname()}-{os.getpid()}.json"


def forget(build: Path) -> None:
    """Remove what processes of an earlier run wrote down."""
    shutil.rmtree(build / FOLDER, ignore_errors=True)


def units_elsewhere(build: Path) -> tuple[UnitProgress, ...]:
    """Return the units of other processes, in the order in which they began.

    A file that is not read just now (a share that is away, a half-copied store) tells nothing this time.
    """
    units: list[UnitProgress] = []
    for file in (build / FOLDER).glob("*.json"):
        try:
            units += read_progress(file).units
        except (InputError, OSError):
            continue
    return tuple(sorted(units, key=lambda unit: unit.began_at))


@contextmanager
def shown_elsewhere(build: Path, board: Board) -> Iterator[None]:
    """Show the units of other processes on a board for the time of a block."""
    ended, watch = threading.Event(), _UnitWatch(build, board)

    def look() -> None:
        while not ended.wait(_LOOK_SECONDS):
            watch.look()

    watcher = threading.Thread(target=look, name="units-elsewhere", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        watch.look()
        watch.end()


class _UnfinishedError(Exception):
    """A unit ended without a result; why is told where errors of units are."""

    @override
    def __str__(self) -> str:
        return "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    context: AbstractContextManager[OnProgress]
    hear: OnProgress


class _UnitWatch:
    """Begins, moves and ends units on a board as files say."""

    def __init__(self, build: Path, board: Board) -> None:
        self._build, self._board = build, board
        self._under_way: dict[tuple[str, str, float], _Shown] = {}
        self._ended: set[tuple[str, str, float]] = set()

    def look(self) -> None:
        """Show what changed since the last look."""
        for unit in units_elsewhere(self._build):
            key = (unit.step, unit.unit, unit.began_at)
            if key in self._ended:
                continue
            shown = self._under_way.get(key) or self._begin(key)
            shown.hear(
                Progress(done=unit.done, total=unit.total, what=unit.phase, tokens=unit.tokens)
            )
            if unit.ended_at is not None:
                self._end(key, failed=unit.failed)

    def end(self) -> None:
        """End what nobody runs any more."""
        for key in tuple(self._under_way):
            self._end(key, failed=True)

    def _begin(self, key: tuple[str, str, float]) -> _Shown:
        context = self._board.unit(key[0], key[1])
        shown = _Shown(context=context, hear=context.__enter__())
        self._under_way[key] = shown
        return shown

    def _end(self, key: tuple[str, str, float], *, failed: bool) -> None:
        self._ended.add(key)
        context = self._under_way.pop(key).context
        error = _UnfinishedError() if failed else None
        context.__exit__(type(error) if error else None, error, None)
