"""Who gets a free place: what fits, and of that the unit that heads the longest chain."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from quantgate.flows.build.resources.machine import Memory


@contextmanager
def waiting(memory: Memory, *units: tuple[str, int, float]) -> Iterator[list[str]]:
    """Have units wait, one after the other; yields the names of those that got their place, in order."""
    began: list[str] = []

    def run(name: str, size: int, rank: float) -> None:
        with memory.hold(size, rank):
            began.append(name)

    threads = [threading.Thread(target=run, args=unit) for unit in units]
    for number, thread in enumerate(threads, start=1):
        thread.start()
        while len(memory._waiting) < number:
            time.sleep(0.001)
    yield began
    for thread in threads:
        thread.join(timeout=5)


def test_the_longest_chain_gets_the_next_free_place() -> None:
    memory = Memory(lambda: 10, side_by_side=1)
    place = memory.hold(1)
    place.__enter__()
    with waiting(memory, ("short", 1, 1.0), ("long", 1, 9.0), ("mid", 1, 5.0)) as got:
        place.__exit__(None, None, None)
    assert got == ["long", "mid", "short"]


def test_of_equal_ones_the_first_that_came_goes_first() -> None:
    memory = Memory(lambda: 10, side_by_side=1)
    place = memory.hold(1)
    place.__enter__()
    with waiting(memory, ("a", 1, 1.0), ("b", 1, 1.0)) as got:
        place.__exit__(None, None, None)
    assert got == ["a", "b"]


def test_what_fits_is_not_kept_waiting_by_a_longer_one_that_does_not() -> None:
    memory = Memory(lambda: 10, side_by_side=2)
    entered, leave = threading.Event(), threading.Event()

    def large() -> None:
        with memory.hold(9, 9.0):
            entered.set()

    with memory.hold(5):
        thread = threading.Thread(target=large)
        thread.start()
        while not memory._waiting:
            time.sleep(0.001)
        with memory.hold(5, 1.0):
            assert not entered.is_set()
            leave.set()
    thread.join(timeout=5)
    assert entered.is_set() and leave.is_set()


def test_a_second_place_is_taken_at_once() -> None:
    memory = Memory(lambda: 10, side_by_side=2)
    with memory.hold(1), memory.hold(1):
        pass


def test_who_is_interrupted_while_waiting_keeps_nobody_else_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = Memory(lambda: 10, side_by_side=1)

    def interrupted(_: object) -> bool:
        raise KeyboardInterrupt

    with memory.hold(1):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(memory._changed, "wait_for", interrupted)
            with memory.hold(1, 9.0):
                raise AssertionError
        assert memory._waiting == []
    with memory.hold(1):
        pass
