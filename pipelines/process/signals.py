"""Signals that end this program: its children first, then an exception in the main thread."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from quantgate.pipelines.process.children import CHILDREN

_BY_SIGNAL = 128
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending(KeyboardInterrupt):
    """A signal asked this program to end, and its children have ended. `exit_code` is as shells have it."""

    def __init__(self, number: int) -> None:
        """Remember which signal it was."""
        super().__init__(signal.Signals(number).name)
        self.exit_code = _BY_SIGNAL + number


@contextmanager
def children_end_first() -> Iterator[None]:
    """For the time of a block, have SIGINT, SIGTERM and SIGHUP end every child and raise `Ending`.

    A signal that is ignored (by `nohup`, or of a job in the background) stays ignored. Outside the main
    thread, where Python handles no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _ENDING}
    handled = {number: old for number, old in before.items() if old is not signal.SIG_IGN}
    for number in handled:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number, old in handled.items():
            signal.signal(number, old)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    CHILDREN.end_all()
    raise Ending(number)
