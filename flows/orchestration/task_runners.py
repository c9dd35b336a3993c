"""Where units run: each in a thread of this process, or in processes of their own."""

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from quantgate.flows.settings import Settings

_LOOK_SECONDS = 0.5


def task_runner(settings: Settings) -> TaskRunner[Any]:
    """Return what runs units: a thread for every task, or as many processes as there are workers.

    A thread may wait for other units and stands in no other's way: what computes asks `Machine` for its
    place. A process gets a unit when those that it waits for are done.
    """
    if settings.task_runner == "threads":
        return ThreadPoolTaskRunner()
    return ProcessPoolTaskRunner(
        max_workers=settings.workers, initializer=end_with, initargs=(os.getpid(),)
    )


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
