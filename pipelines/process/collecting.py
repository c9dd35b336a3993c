"""Python's collector of cycles: seldom while much is imported, and not at the end of a process.

By itself it looks through everything that lives again and again while modules are imported, of which nothing
is garbage, and twice more when the process ends, which frees all of it anyway. That was half of what
importing MLflow, Prefect and matplotlib costs (5.3 CPU-s with it, 2.8 without).
"""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_NEW_OBJECTS = 50_000
_YOUNGER_COLLECTIONS = 20
"""700 and 10 are Python's own (`gc.set_threshold`)."""


def collect_seldom() -> None:
    """Let this process collect every 50,000 new objects, and nothing when it ends."""
    gc.set_threshold(_NEW_OBJECTS, _YOUNGER_COLLECTIONS, _YOUNGER_COLLECTIONS)
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
