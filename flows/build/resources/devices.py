"""Accelerators of this machine: each computes one unit at a time, whichever process runs it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from quantgate.pipelines.files.interruption import INTERRUPTION
from quantgate.pipelines.files.locks import unless_held

_LOOK_SECONDS = 0.1
_NAMELESS = "device"
"""The lock of units of which nothing is known but that they do not compute on the CPU."""


class Accelerators:
    """Whose turn it is on each device: a locked file each, which the kernel frees when its process dies."""

    def __init__(self, folder: Path, groups: Sequence[tuple[str, ...]]) -> None:
        """Keep the files in a folder that all processes of this machine share.

        A unit gets all devices of one group. Without groups, units take turns at what there may be.
        """
        self._folder, self._groups = folder, tuple(groups) or ((),)
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, object]] = []

    @contextmanager
    def hold(self, rank: float = 0.0) -> Iterator[tuple[str, ...]]:
        """Wait for a group and hold it; of those that wait in this process the highest rank goes first.

        Raises:
            InterruptionError: the program is being ended.
        """
        waiter = (rank, object())
        with ExitStack() as held:
            with self._changed:
                self._waiting.append(waiter)
                try:
                    while (group := self._taken(waiter, held)) is None:
                        INTERRUPTION.check("waiting for an accelerator")
                        self._changed.wait(_LOOK_SECONDS)
                finally:
                    self._waiting.remove(waiter)
                    self._changed.notify_all()
            yield group
        with self._changed:
            self._changed.notify_all()

    def _taken(self, waiter: tuple[float, object], held: ExitStack) -> tuple[str, ...] | None:
        """Lock a free group's files and return it, where this one is the next to get any."""
        if max(self._waiting, key=lambda each: each[0]) is not waiter:
            return None
        self._folder.mkdir(parents=True, exist_ok=True)
        for group in self._groups:
            with ExitStack() as tried:
                files = [self._folder / f"{name}.lock" for name in sorted(group) or [_NAMELESS]]
                if all(tried.enter_context(unless_held(file)) for file in files):
                    held.push(tried.pop_all())
                    return group
        return None
