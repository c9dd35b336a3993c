"""A second level of a store, which other hosts share, as whoever makes a sealed folder of it sees it.

Nothing stands behind a store unless a process attaches something. Who waits for what another makes, on this
host or elsewhere, gives its place on the machine back meanwhile, and says for whom it waits.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

Keep = Callable[[], None]
"""Called when a folder is sealed here, to send it to the second level."""


class SecondLevel(Protocol):
    """What stands behind a store."""

    def turn(self, folder: Path) -> AbstractContextManager[Keep]:
        """Wait until nobody elsewhere makes a folder; fetch it where somebody has, else have it to oneself.

        Raises:
            InterruptionError: the program is being ended while this waits.
            ToolchainError: this machine's disk is full.
        """
        ...

    def look(self, folder: Path) -> None:
        """Fetch a folder where it lies there; nobody is waited for.

        Raises:
            ToolchainError: this machine's disk is full.
        """
        ...


_levels: dict[Path, SecondLevel] = {}


def attach(root: Path, level: SecondLevel | None) -> None:
    """Have all that this process seals below `root` looked up in a second level, or in none again."""
    _levels.pop(root, None)
    if level is not None:
        _levels[root] = level


def turn_of(folder: Path) -> AbstractContextManager[Keep]:
    """Return this process's turn at making a folder; without a second level everybody has it."""
    for root, level in _levels.items():
        if folder.is_relative_to(root):
            return level.turn(folder)
    return nullcontext(_nothing)


def look(folder: Path) -> None:
    """Fetch a folder from the second level, where there is one and it lies there; nobody is waited for.

    Raises:
        ToolchainError: this machine's disk is full.
    """
    for root, level in _levels.items():
        if folder.is_relative_to(root):
            level.look(folder)


def _nothing() -> None:
    """Send nothing."""


_give_back: ContextVar[Callable[[], AbstractContextManager[None]]] = ContextVar(
    "give_back", default=nullcontext
)
_hear: ContextVar[Callable[[str], None]] = ContextVar("hear", default=lambda _text: None)
_said: ContextVar[str] = ContextVar("said", default="")


@contextmanager
def giving_back(place: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Until the block ends, give a place back with `place()` whenever this thread waits for others."""
    token = _give_back.set(place)
    try:
        yield
    finally:
        _give_back.reset(token)


@contextmanager
def hearing_waits(hear: Callable[[str], None]) -> Iterator[None]:
    """Until the block ends, have `hear` called with what this thread waits for, '' when it goes on."""
    token = _hear.set(hear)
    try:
        yield
    finally:
        _hear.reset(token)


@contextmanager
def while_waiting(reason: str = "waiting for who makes it here") -> Iterator[None]:
    """Wait for others in this block: the thread's place is given back, and had again when it ends."""
    with saying(reason), _give_back.get()():
        yield


@contextmanager
def saying(reason: str) -> Iterator[None]:
    """Say what this thread does in this block that is no work of its unit; after it, what it did before."""
    hear, before = _hear.get(), _said.get()
    token = _said.set(reason)
    hear(reason)
    try:
        yield
    finally:
        _said.reset(token)
        hear(before)
