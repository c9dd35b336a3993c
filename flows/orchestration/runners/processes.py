"""Units in processes of this machine, which end with the command."""

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_LOOK_SECONDS = 0.5


def end_with(parent: int) -> None:
    """Have this process end when its parent does; the kernel's way would end it with the parent's thread."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


@contextmanager
def pool_ends_too() -> Iterator[None]:
    """End the processes of a pool where the block is interrupted: Prefect would wait for their units."""
    try:
        yield
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
