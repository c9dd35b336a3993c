"""Who works in a store just now: each build says which plan it runs, and whoever removes something asks.

A user holds the lock of a file of its own in `in-use/`, which the kernel frees when it dies, however it dies.
New users and whoever removes something take turns at one gate, so that nothing goes while a build begins.
"""

import fcntl
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from quantgate.pipelines.files.locks import exclusive, unless_held
from quantgate.pipelines.files.store import Store

_FOLDER = "in-use"
_GATE = ".gate"

UsedPlans = tuple[str | None, ...]
"""The plan that each user of a store runs, None for one that is still planning."""


@dataclass(frozen=True, slots=True)
class StoreUse:
    """The use that this process makes of a store: of whatever it may hold, until a plan is named."""

    _file: TextIO

    def runs(self, plan: str) -> None:
        """Say that from here on only what this plan names is used."""
        self._file.write(plan)
        self._file.flush()


@contextmanager
def in_use(store: Store, on_wait: Callable[[], None] | None = None) -> Iterator[StoreUse]:
    """Use a store until the block ends; nothing that may be needed is removed by others meanwhile.

    Raises:
        InterruptionError: the program is being ended while this waits for somebody who removes something.
    """
    folder = store.root / _FOLDER
    path = folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    with exclusive(folder / _GATE, on_wait):
        file = path.open("x", encoding="utf-8")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with file:
        try:
            yield StoreUse(file)
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def nobody_begins(store: Store) -> Iterator[UsedPlans]:
    """Keep new users of a store waiting until the block ends; yield the plans of those that there are."""
    with exclusive(store.root / _FOLDER / _GATE):
        yield _plans_of_users(store)


def plans_in_use(store: Store) -> UsedPlans:
    """Return the plans in use, at a moment at which nobody begins.

    Raises:
        InterruptionError: the program is being ended while this waits for somebody who removes something.
    """
    if not any((store.root / _FOLDER).glob("[!.]*")):
        return ()
    with nobody_begins(store) as plans:
        return plans


def _plans_of_users(store: Store) -> UsedPlans:
    """Look at each user's file. One who begins has not locked its own yet: the gate has to be held."""
    plans: list[str | None] = []
    for path in sorted((store.root / _FOLDER).glob("[!.]*")):
        with suppress(FileNotFoundError):  # it ended just now
            with unless_held(path) as free:
                if not free:
                    plans.append(path.read_text(encoding="utf-8") or None)
                    continue
            path.unlink()  # its maker was killed
    return tuple(plans)


def is_made(folder: Path) -> bool:
    """Whether somebody holds the lock of a folder of the store, and so makes it or goes on with it."""
    lock = folder.parent / f".{folder.name}.lock"
    if not lock.exists():
        return False
    with unless_held(lock) as free:
        return not free
