"""The child processes of this program that are alive, and the way to end them all at once."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol, TypeVar

from quantgate.pipelines.files.interruption import INTERRUPTION, Interruption


class Child(Protocol):
    """A process that leads a group of its own: a `subprocess.Popen`, or one that a fork server started."""

    @property
    def pid(self) -> int:
        """Its number, and its group's."""
        ...

    def poll(self) -> int | None:
        """Return its exit code (a signal's number below zero), None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, at most so many seconds, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        ...


AnyChild = TypeVar("AnyChild", bound=Child)

_GRACE_SECONDS = 3.0
_LOOK_EVERY_SECONDS = 0.02


class Children:
    """Starts children in process groups of their own and knows which are alive; safe from any thread."""

    def __init__(self, interruption: Interruption) -> None:
        """Start with none; `interruption` tells whether the program is being ended."""
        self.interruption = interruption
        self._live: set[Child] = set()

    @contextmanager
    def starting(self, where: str) -> Iterator[Callable[[Child], Child]]:
        """Yield what a child is handed to as soon as the block has started it.

        At the block's end it is among the living no more; it is killed where the block ends by an exception.

        Raises:
            InterruptionError: the program was being ended before a child was started, or is by now.
        """
        self.interruption.check(where)
        children: list[Child] = []

        def alive(child: Child) -> Child:
            children.append(child)
            self._live.add(child)
            self.interruption.check(where)  # or `end_all` has looked before it was among the living
            return child

        try:
            yield alive
        except BaseException:
            end_groups(tuple(children))
            raise
        finally:
            self._live.difference_update(children)
        self.interruption.check(where)

    def kept(self, child: AnyChild) -> AnyChild:
        """Take in a child that serves many calls, and return it; it ends by itself or with all others."""
        self._live.difference_update(
            [each for each in tuple(self._live) if each.poll() is not None]
        )
        self._live.add(child)
        return child

    def end_all(self) -> None:
        """End every child and let no new one start; for a program that is being ended."""
        self.interruption.begin()
        end_groups(tuple(self._live))


CHILDREN = Children(INTERRUPTION)
"""This program's."""


def end_groups(children: tuple[Child, ...]) -> None:
    """Ask the groups of these children to end, all at once, and kill what has not after three seconds."""
    for child in children:
        _signal_group(child, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < deadline and any(child.poll() is None for child in children):
        time.sleep(_LOOK_EVERY_SECONDS)
    for child in children:
        _signal_group(child, signal.SIGKILL)
        with suppress(
            subprocess.TimeoutExpired
        ):  # a signal's handler may have cut in on `poll`, which
            child.wait(
                timeout=_GRACE_SECONDS
            )  # holds the child's lock: without a limit it waits for ever


def _signal_group(child: Child, sign: signal.Signals) -> None:
    if child.poll() is not None:
        return  # its number may be another's by now
    try:
        os.killpg(child.pid, sign)
    except (ProcessLookupError, PermissionError):
        return
