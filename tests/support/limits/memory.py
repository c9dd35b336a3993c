"""A bound on the memory of child processes: a control group of their own, or a limit of the process."""

import os
import resource
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_LIMITS = ("memory.limit_in_bytes", "memory.max")
"""Of the first and the second version of control groups."""


@contextmanager
def memory_limit(size_bytes: int) -> Iterator[Callable[[], None]]:
    """Yield what binds the process that calls it (`preexec_fn`), with all that it starts.

    In a control group, cached files count as well and go when memory is wanted. Where none can be made,
    the data segment is limited (`RLIMIT_DATA`): what belongs to no file.
    """
    with memory_group(size_bytes) as group:
        if group is None:
            yield lambda: resource.setrlimit(resource.RLIMIT_DATA, (size_bytes, size_bytes))
        else:
            yield lambda: enter(group, os.getpid())


@contextmanager
def memory_group(size_bytes: int) -> Iterator[Path | None]:
    """Yield a new control group that may hold so much; None where the system lets nobody make one.

    Where a process in it wants more, the kernel kills one of them.
    """
    group = _new_group(size_bytes)
    try:
        yield group
    finally:
        if group is not None:
            _remove(group)


def enter(group: Path, process: int) -> None:
    """Put a process into a group: what it takes from now on counts there."""
    (group / "cgroup.procs").write_text(str(process))


def _remove(group: Path) -> None:
    for _ in range(100):  # the last child may be on its way out
        try:
            group.rmdir()
            break
        except OSError:
            time.sleep(0.1)


def _new_group(size_bytes: int) -> Path | None:
    """Make a group in the tree of memory; None where the system does not let us."""
    for tree, name in ((_ROOT / "memory", _LIMITS[0]), (_ROOT, _LIMITS[1])):
        group = tree / f"quantgate-test-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        with suppress(OSError):
            group.mkdir()
            try:
                (group / name).write_text(str(size_bytes))
            except OSError:
                group.rmdir()
                continue
            return group
    return None
