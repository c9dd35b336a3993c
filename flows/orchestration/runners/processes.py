"""Units in processes of this machine, which end with the command."""

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from quantgate.flows.orchestration.server.trouble import ungrouped
from quantgate.pipelines.domain.errors import WorkerError

_LOOK_SECONDS = 0.5


def end_with(parent: int) -> None:
    """Have this process end when its parent does; the kernel's way would end it with the parent's thread."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


@contextmanager
def process_errors() -> Iterator[None]:
    """Translate what a pool says inside the block when one of its processes is gone.

    Raises:
        WorkerError: it was killed, and the units of all others ended with the pool.
    """
    try:
        yield
    except Exception as error:
        if not any(isinstance(cause, BrokenProcessPool) for cause in ungrouped(error)):
            raise
        raise WorkerError(
            "a process in which units ran was killed (often: out of memory)",
            where="QUANTGATE_TASK_RUNNER=processes",
            next_step="run the same command again: what is finished stays. "
            "Fewer QUANTGATE_WORKERS need less memory",
        ) from error


@contextmanager
def pool_ends_too() -> Iterator[None]:
    """End the processes of a pool where the block is interrupted: Prefect would wait for their units."""
    try:
        yield
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
