"""Units side by side: as many as fit, one at a time on an accelerator."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from quantgate.flows.build.resources.devices import Accelerators
from quantgate.flows.build.resources.machine import Machine, Memory, Need
from quantgate.pipelines.domain.errors import InterruptionError, ServiceError
from quantgate.pipelines.files.second_level import while_waiting
from quantgate.pipelines.process.control_group import ControlGroups
from quantgate.pipelines.process.memory import available_bytes

WAIT_SECONDS = 5.0


class Meter:
    """Says how much memory there is, and counts how often it was asked."""

    def __init__(self, available: int) -> None:
        self.available, self.asked = available, 0

    def __call__(self) -> int:
        self.asked += 1
        return self.available


class Occupant:
    """A thread that takes room until it is told to leave."""

    def __init__(self, enter: Callable[[threading.Event, threading.Event], None]) -> None:
        self.inside, self._leave = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=enter, args=(self.inside, self._leave))
        self._thread.start()

    def entered(self) -> bool:
        return self.inside.wait(WAIT_SECONDS)

    def waits(self) -> bool:
        time.sleep(0.1)
        return not self.inside.is_set()

    def go(self) -> None:
        self._leave.set()
        self._thread.join()


def holder(memory: Memory, size_bytes: int) -> Occupant:
    def enter(inside: threading.Event, leave: threading.Event) -> None:
        with memory.hold(size_bytes):
            inside.set()
            leave.wait()

    return Occupant(enter)


def taker(machine: Machine, need: Need) -> Occupant:
    def enter(inside: threading.Event, leave: threading.Event) -> None:
        with machine.hold(need):
            inside.set()
            leave.wait()

    return Occupant(enter)


def test_what_fits_runs_side_by_side_and_what_does_not_waits() -> None:
    memory = Memory(Meter(100), side_by_side=3)
    first, second = holder(memory, 60), holder(memory, 40)
    assert first.entered() and second.entered()
    third = holder(memory, 10)
    assert third.waits()
    second.go()
    assert third.entered()
    first.go()
    third.go()


def test_no_more_run_side_by_side_than_there_are_workers() -> None:
    memory = Memory(Meter(100), side_by_side=2)
    first, second = holder(memory, 1), holder(memory, 1)
    assert first.entered() and second.entered()
    third = holder(memory, 1)
    assert third.waits()
    first.go()
    assert third.entered()
    second.go()
    third.go()


def test_what_is_larger_than_all_there_is_runs_alone() -> None:
    memory = Memory(Meter(100), side_by_side=3)
    small = holder(memory, 1)
    assert small.entered()
    large = holder(memory, 1000)
    assert large.waits()
    small.go()
    assert large.entered()
    another = holder(memory, 1)
    assert another.waits()
    large.go()
    assert another.entered()
    another.go()


def test_what_there_is_is_measured_while_nobody_holds_any() -> None:
    meter = Meter(100)
    memory = Memory(meter, side_by_side=3)
    with memory.hold(50):
        meter.available = 10
        second = holder(memory, 50)
        assert second.entered(), "what the first one uses is not taken off twice"
        second.go()
    assert meter.asked == 1
    with memory.hold(50):
        assert holder_waits(memory, 50), "somebody else took the rest meanwhile"


def holder_waits(memory: Memory, size_bytes: int) -> bool:
    """Whether another holder has to wait; it is a daemon that the test leaves behind."""
    inside = threading.Event()

    def enter() -> None:
        with memory.hold(size_bytes):
            inside.set()

    threading.Thread(target=enter, daemon=True).start()
    time.sleep(0.1)
    return not inside.is_set()


def test_an_error_gives_the_memory_back() -> None:
    memory = Memory(Meter(100), side_by_side=3)
    with pytest.raises(ZeroDivisionError), memory.hold(100):
        raise ZeroDivisionError
    with memory.hold(100):
        pass


def machine_of(folder: Path, memory: Memory) -> Machine:
    """A machine with one accelerator."""
    disk = Memory(Meter(100), side_by_side=3)
    return Machine(memory=memory, disk=disk, accelerators=Accelerators(folder, (("0",),)))


def test_one_unit_at_a_time_computes_on_an_accelerator(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, Memory(Meter(100), side_by_side=3))
    first = taker(machine, Need(size_bytes=1, device="NVIDIA H200"))
    assert first.entered()
    second, on_cpu = (taker(machine, Need(size_bytes=1, device=d)) for d in ("NVIDIA H200", "cpu"))
    assert on_cpu.entered()
    assert second.waits()
    first.go()
    assert second.entered()
    second.go()
    on_cpu.go()


def test_who_waits_for_what_others_make_gives_its_place_back_and_has_it_again(
    tmp_path: Path,
) -> None:
    machine = machine_of(tmp_path, Memory(Meter(100), side_by_side=1))
    need = Need(size_bytes=100, device="NVIDIA H200")
    with machine.hold(need):
        with while_waiting():
            other = taker(machine, need)
            assert other.entered()
            with while_waiting():  # nothing is held that could be given back again
                pass
            other.go()
        third = taker(machine, need)
        assert third.waits()
    assert third.entered()
    third.go()


def test_who_goes_on_after_a_wait_that_failed_has_its_place_again(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, Memory(Meter(100), side_by_side=1))
    need = Need(size_bytes=100, device="cpu")
    with machine.hold(need):
        with suppress(ServiceError), while_waiting():
            raise ServiceError("the shared store is gone")
        other = taker(machine, need)
        assert other.waits()
    assert other.entered()
    other.go()


def test_who_is_interrupted_in_a_wait_waits_for_no_place(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, Memory(Meter(100), side_by_side=1))
    need = Need(size_bytes=100, device="cpu")
    with pytest.raises(InterruptionError), machine.hold(need), while_waiting():
        other = taker(machine, need)
        assert other.entered()
        raise InterruptionError("the program is being ended")
    other.go()


def test_a_wait_that_fails_leaves_the_place_to_others(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, Memory(Meter(100), side_by_side=1))
    need = Need(size_bytes=100, device="cpu")
    with pytest.raises(ZeroDivisionError), machine.hold(need), while_waiting():
        raise ZeroDivisionError
    with machine.hold(need):
        pass


def test_memory_is_the_machines_or_the_containers_if_that_is_less(tmp_path: Path) -> None:
    information = tmp_path / "meminfo"
    information.write_text("MemTotal: 2000 kB\nMemAvailable:    1000 kB\n")
    groups = ControlGroups(root=tmp_path, membership=tmp_path / "absent")
    assert available_bytes(information, groups) == 1000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5\n")
    assert available_bytes(information, groups) == 1000 * 1024
    (tmp_path / "memory.max").write_text("105\n")
    assert available_bytes(information, groups) == 100
    assert available_bytes(tmp_path / "absent", groups) == 0
