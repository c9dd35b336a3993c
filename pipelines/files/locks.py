"""Advisory locks between processes (flock): freed by the kernel when their holder dies, however it dies."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from quantgate.pipelines.files.interruption import INTERRUPTION, Interruption

_LOOK_EVERY_SECONDS = 0.1


@contextmanager
def exclusive(
    path: Path,
    on_wait: Callable[[], None] | None = None,
    interruption: Interruption = INTERRUPTION,
    waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[None]:
    """Hold an exclusive lock on `path`, waiting for it; `on_wait` is called once if there is a wait.

    `waiting` is entered while this waits.

    Raises:
        InterruptionError: the program is being ended while this waits.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        if not _taken(handle.fileno()):
            if on_wait:
                on_wait()
            with waiting():
                while not _taken(handle.fileno()):
                    interruption.check(where=str(path))
                    time.sleep(_LOOK_EVERY_SECONDS)
        yield


@contextmanager
def unless_held(path: Path) -> Iterator[bool]:
    """Yield whether an exclusive lock on `path` could be had at once; it is held until the block ends."""
    with path.open("a") as handle:
        yield _taken(handle.fileno())


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
