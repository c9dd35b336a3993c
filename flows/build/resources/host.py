"""What units of several processes of a machine hold together: each says in a locked file how much.

A file's lock is freed by the kernel when its process dies, however it dies; so nothing has to be cleared up.
"""

import fcntl
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from quantgate.pipelines.files.interruption import INTERRUPTION
from quantgate.pipelines.files.locks import exclusive

_LOOK_SECONDS = 0.5
_HELD = "*.held"


class HostMemory:
    """Bytes of memory, or of a disk, that units of all processes of this machine say they hold."""

    def __init__(self, folder: Path, capacity_bytes: Callable[[], int]) -> None:
        """Keep account in a folder that this machine's processes share; other machines have their own.

        `capacity_bytes` tells how much there is, or is left.
        """
        self._folder, self._capacity_bytes = folder / socket.gethostname(), capacity_bytes

    @contextmanager
    def hold(self, size_bytes: int) -> Iterator[None]:
        """Wait until this much fits beside what others hold, and hold it.

        A unit larger than all there is runs alone: an estimate must not keep it from trying.

        Raises:
            InterruptionError: the program is being ended.
        """
        path = self._folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.held"
        while (account := self._entered(path, size_bytes)) is None:
            INTERRUPTION.check("waiting for memory or disk")
            time.sleep(_LOOK_SECONDS)
        with account:
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    def _entered(self, path: Path, size_bytes: int) -> IO[str] | None:
        """Write down what is taken, where it fits, and return the locked file; one process at a time."""
        with exclusive(self._folder / "gate.lock"):
            held = self._held_by_others()
            if held and held + size_bytes > self._capacity_bytes():
                return None
            account = path.open("w")
            fcntl.flock(account, fcntl.LOCK_EX)
            account.write(str(size_bytes))
            account.flush()
            return account

    def _held_by_others(self) -> int:
        """Add up what living units hold; files of dead ones are removed."""
        held = 0
        for other in self._folder.glob(_HELD):
            with suppress(FileNotFoundError):  # its unit ended just now
                held += _held_in(other)
        return held


def _held_in(account: Path) -> int:
    """Return what a unit holds; nothing where its process is dead, and its file goes."""
    with account.open("r+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(handle.read())
        account.unlink()
        return 0
