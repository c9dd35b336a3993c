"""Accelerators of this machine: each computes one unit at a time, whichever process runs it."""

import fcntl
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from quantgate.pipelines.files.interruption import INTERRUPTION

_LOOK_SECONDS = 0.1
_NOT_IN_NAMES = re.compile(r"[^\w.-]")


class Accelerators:
    """Devices and whose turn they are: a locked file each, which the kernel frees when its process dies."""

    def __init__(self, folder: Path, devices: Sequence[str]) -> None:
        """Keep the files in a folder that all processes of this machine share; name one device at least."""
        self._files = {
            device: folder / f"{_NOT_IN_NAMES.sub('_', device)}.lock" for device in devices
        }
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, object]] = []

    @contextmanager
    def hold(self, rank: float = 0.0) -> Iterator[str]:
        """Wait for a device and hold it; of those that wait in this process the highest rank goes first.

        Raises:
            InterruptionError: the program is being ended.
        """
        waiter = (rank, object())
        with self._changed:
            self._waiting.append(waiter)
            try:
                while (taken := self._taken(waiter)) is None:
                    INTERRUPTION.check("waiting for an accelerator")
                    self._changed.wait(_LOOK_SECONDS)
            finally:
                self._waiting.remove(waiter)
                self._changed.notify_all()
        device, handle = taken
        with handle:
            yield device
        with self._changed:
            self._changed.notify_all()

    def _taken(self, waiter: tuple[float, object]) -> tuple[str, IO[str]] | None:
        """Return a free device with its locked file, where this one is the next to get any."""
        if max(self._waiting, key=lambda each: each[0]) is not waiter:
            return None
        for device, file in self._files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            handle = file.open("a")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.close()
            else:
                return device, handle
        return None
