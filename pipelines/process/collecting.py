"""Python's collector of cycles: seldom while much is imported, and not at the end of a process.

By itself it looks through everything that lives again and again while modules are imported, of which nothing
is garbage, and twice more when the process ends, which frees all of it anyway. That was half of what
importing MLflow, Prefect and matplotlib costs (5.3 CPU-s with it, 2.8 without).
"""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_NEW_OBJECTS, _YOUNG, _MIDDLE = 50_000, 10, 2
"""What `gc.set_threshold` takes: young ones are collected every 50,000 new objects (Python's own is 700), all
that live every million, where a quarter of these is new. So little stays that is garbage."""


def collect_seldom() -> None:
    """Let this process collect every 50,000 new objects, and nothing when it ends."""
    gc.set_threshold(_NEW_OBJECTS, _YOUNG, _MIDDLE)
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Collect nothing until a block ends in which nothing but imports is done; then set all apart for good.

    What is set apart is looked through no more, by this process and by what it forks.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()
