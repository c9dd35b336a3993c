"""The memory that child processes hold, with all that they start, while something is done."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_INTERVAL_SECONDS = 0.02
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Peaks:
    """The highest sums of memory over all processes: what is resident, and what of it belongs to no file.

    The kernel takes pages of files back when others need memory.
    """

    resident_bytes: int = 0
    anonymous_bytes: int = 0


@contextmanager
def peaks() -> Iterator[Peaks]:
    """Watch the child processes that start meanwhile; what is yielded is complete when the block ends."""
    highest = Peaks()
    watch = _Watch(highest)
    watch.start()
    try:
        yield highest
    finally:
        watch.stop()


class _Watch(threading.Thread):
    """Looks fifty times a second at all descendants of this process that were not there before.

    A child that does not run its own program yet has this process's memory, which is not counted.
    """

    def __init__(self, highest: Peaks) -> None:
        super().__init__(daemon=True)
        self._highest = highest
        self._before = frozenset(_descendants(os.getpid()))
        self._command = _command(os.getpid())
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(_INTERVAL_SECONDS):
            started = _descendants(os.getpid(), without=self._before)
            held = [_held(process) for process in started if _command(process) != self._command]
            resident = sum(each.resident_bytes for each in held)
            anonymous = sum(each.anonymous_bytes for each in held)
            highest = self._highest
            highest.resident_bytes = max(highest.resident_bytes, resident)
            highest.anonymous_bytes = max(highest.anonymous_bytes, anonymous)

    def stop(self) -> None:
        self._over.set()
        self.join()


def _descendants(process: int, without: frozenset[int] = frozenset()) -> Iterator[int]:
    """Yield children and theirs, but for those of `without`: a fork server's new children count."""
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, file.read_text().split()):
                if child not in without:
                    yield child
                yield from _descendants(child, without)


def _command(process: int) -> bytes:
    """Return a process's command line, nothing where it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def _held(process: int) -> Peaks:
    """Return what a process holds now, or nothing where it has ended."""
    try:
        _, resident, shared = Path(f"/proc/{process}/statm").read_text().split()[:3]
    except (OSError, ValueError):
        return Peaks()
    return Peaks(
        resident_bytes=int(resident) * _PAGE_BYTES,
        anonymous_bytes=(int(resident) - int(shared)) * _PAGE_BYTES,
    )
