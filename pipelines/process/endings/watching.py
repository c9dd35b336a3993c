"""What a child does while it lives: whether it still works, and the most memory that it held.

A child hangs that for some time has sent no progress and has used no processor time, nor have those that it
started: the kernel counts both (proc_pid_stat(5): `utime`, `stime` and those of children that ended). One
that waits for a lock looks at it ten times a second and is no such child; one that waits for a server's reply
says for how long it may (`WorkerCall.waits_seconds`).
"""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.process.memory import descendants, peak_resident_bytes

HUNG_VARIABLE = "QUANTGATE_HUNG_MINUTES"
_HUNG_MINUTES = 30.0
_LEAST_SHARE = 1e-4
"""Less of a core than this is no work: a thread that wakes every ten seconds takes a hundredth of it, and one
that looks at a lock ten times a second takes more."""
_LEAST_SECONDS = 0.02
"""Two ticks of the kernel's count."""
_LOOK_EVERY_SECONDS = 1.0
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PROCESSES = Path("/proc")


def hung_seconds(environment: Mapping[str, str] = os.environ) -> float:
    """Return after how many seconds without work a child is ended; infinite where 0 minutes are set.

    Raises:
        InputError: QUANTGATE_HUNG_MINUTES is no number of minutes.
    """
    text = environment.get(HUNG_VARIABLE, "").strip()
    try:
        minutes = float(text) if text else _HUNG_MINUTES
    except ValueError:
        minutes = -1.0
    if not 0 <= minutes < float("inf"):
        raise InputError(
            f"'{text}' is no number of minutes",
            where=HUNG_VARIABLE,
            next_step="write it like 30 or 0.5, 0 for never, or leave it out",
        )
    return minutes * 60 or float("inf")


class ChildWatch:
    """One child, looked at again and again.

    Time counts as far as this process saw it go by: a child was not idle while both were stopped.
    """

    def __init__(
        self,
        pid: int,
        silent_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        processes: Path = _PROCESSES,
    ) -> None:
        """Watch a process, which may be silent for so long."""
        self._pid, self._limit, self._clock, self._processes = pid, silent_seconds, clock, processes
        self._looked_at = clock()
        self._used = 0.0
        self.silent_seconds = 0.0
        self.peak_bytes = 0

    @property
    def hangs(self) -> bool:
        """Whether it was silent for longer than it may."""
        return self.silent_seconds > self._limit

    def heard(self) -> None:
        """It sent progress."""
        self.silent_seconds = 0.0

    def look(self) -> None:
        """See what it holds and, once a second, whether it works; where that is not told, it always does."""
        folder = self._processes / str(self._pid)
        self.peak_bytes = max(self.peak_bytes, peak_resident_bytes(folder) or 0)
        passed = self._clock() - self._looked_at
        if passed < _LOOK_EVERY_SECONDS:
            return
        self._looked_at += passed
        used = self._processor_seconds()
        if used is None:
            return
        self.silent_seconds += min(passed, 2 * _LOOK_EVERY_SECONDS)
        if abs(used - self._used) > max(_LEAST_SECONDS, _LEAST_SHARE * self.silent_seconds):
            self.silent_seconds, self._used = 0.0, used

    def _processor_seconds(self) -> float | None:
        ticks = [
            _ticks(self._processes / str(pid))
            for pid in (self._pid, *descendants(self._pid, self._processes))
        ]
        return None if ticks[0] is None else sum(map(float, filter(None, ticks))) / _TICKS_A_SECOND


def _ticks(process: Path) -> int | None:
    """Return what a process and its ended children used; None where it is gone, or nothing is told."""
    try:
        words = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return sum(map(int, words[11:15]))
