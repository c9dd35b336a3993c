"""Wall time and memory of child processes, with all that they start."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from tests.benchmarks.measuring.ratios import Cost

_INTERVAL_SECONDS = 0.02
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def cost_of(work: Callable[[], object]) -> Cost:
    """Return what the child processes that `work` waits for cost, and its own wall time.

    This process is left out: it measures. What work computes here (hashing what was written, say) counts as
    time. Memory is what Linux calls resident: pages of mapped files included, on both sides.
    """
    watch = _Watch()
    watch.start()
    started, used = time.monotonic(), _cpu_seconds()
    try:
        work()
    finally:
        seconds, cpu_seconds = time.monotonic() - started, _cpu_seconds() - used
        watch.stop()
    return Cost(seconds=seconds, cpu_seconds=cpu_seconds, peak_bytes=watch.peak_bytes)


def cost_of_command(command: list[str], log: Path, environment: Mapping[str, str]) -> Cost:
    """Return what a program costs, with a log of what it says.

    Raises:
        CalledProcessError: where it fails; the log says why.
    """

    def run() -> None:
        with log.open("ab") as file:
            subprocess.run(
                command, check=True, stdout=file, stderr=file, env=os.environ | environment
            )

    return cost_of(run)


def _cpu_seconds() -> float:
    """Return the processor time of this process and of its children that ended."""
    now = os.times()
    return now.user + now.system + now.children_user + now.children_system


class _Watch(threading.Thread):
    """Looks fifty times a second at all descendants of this process that were not there before."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._before = frozenset(_descendants(os.getpid()))
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(_INTERVAL_SECONDS):
            started = _descendants(os.getpid(), without=self._before)
            resident = sum(_resident_bytes(process) for process in started)
            self.peak_bytes = max(self.peak_bytes, resident)

    def stop(self) -> None:
        self._over.set()
        self.join()


def _descendants(process: int, without: frozenset[int] = frozenset()) -> Iterator[int]:
    """Yield children and theirs, but for those of `without` with all that they start."""
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, file.read_text().split()):
                if child not in without:
                    yield child
                    yield from _descendants(child, without)


def _resident_bytes(process: int) -> int:
    """Return the resident memory, or 0 where the process has ended."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0
