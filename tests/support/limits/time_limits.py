"""A block that may take so long and no longer."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class _HangError(BaseException):
    """A reader took longer than it may; no `except Exception` swallows it."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise _HangError(f"longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
