"""Accelerators: one unit at a time on each, the longest chain first, and children see the one they got."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from quantgate.flows.build.resources.devices import Accelerators
from quantgate.flows.build.resources.machine import Machine, Memory, Need
from quantgate.pipelines.process.runner import worker_environment
from tests.support.graphics import H200, machine_with

HOLDING = """
import sys, time
from pathlib import Path
from quantgate.flows.build.resources.devices import Accelerators
with Accelerators(Path(sys.argv[1]), (("0",), ("1",))).hold() as device:
    print(*device, flush=True)
    time.sleep(60)
"""
NEED = Need(size_bytes=1, device="NVIDIA H200")


@pytest.fixture
def two(tmp_path: Path) -> Accelerators:
    return Accelerators(tmp_path, (("0",), ("1",)))


def machine(accelerators: Accelerators, disk_bytes: int = 100) -> Machine:
    return Machine(
        memory=Memory(lambda: 100, side_by_side=8),
        disk=Memory(lambda: disk_bytes, side_by_side=8),
        accelerators=accelerators,
    )


def test_units_side_by_side_get_a_device_each_and_their_children_see_no_other(
    two: Accelerators,
) -> None:
    seen: list[str] = []
    both = threading.Barrier(2, timeout=5)

    def unit() -> None:
        with machine(two).hold(NEED):
            both.wait()
            seen.append(worker_environment(1)["CUDA_VISIBLE_DEVICES"])

    threads = [threading.Thread(target=unit) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == ["0", "1"]


def test_a_unit_of_the_cpu_sees_what_the_command_sees(
    two: Accelerators, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    with machine(two).hold(Need(size_bytes=1, device="cpu")):
        assert worker_environment(1)["CUDA_VISIBLE_DEVICES"] == "3,4"


def test_the_longest_chain_gets_the_next_free_device(tmp_path: Path) -> None:
    device = Accelerators(tmp_path, (("0",),))
    began: list[str] = []

    def unit(name: str, rank: float) -> None:
        with device.hold(rank):
            began.append(name)

    threads = []
    with device.hold():
        for name, rank in (("short", 1.0), ("long", 9.0)):
            threads.append(threading.Thread(target=unit, args=(name, rank)))
            threads[-1].start()
            while len(device._waiting) < len(threads):
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert began == ["long", "short"]


def test_other_processes_hold_devices_too_until_they_die(tmp_path: Path) -> None:
    here = Accelerators(tmp_path, (("0",), ("1",)))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "0\n"
        with here.hold() as device:
            assert device == ("1",)
        holder.kill()
    with here.hold() as device:
        assert device == ("0",)


def test_an_error_gives_the_device_back(two: Accelerators) -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), two.hold():
            raise ZeroDivisionError


def test_what_the_disk_does_not_hold_side_by_side_waits(tmp_path: Path) -> None:
    shared = machine(Accelerators(tmp_path, (("0",),)), disk_bytes=100)
    entered = threading.Event()

    def second() -> None:
        with shared.hold(Need(size_bytes=1, device="cpu", disk_bytes=60)):
            entered.set()

    with shared.hold(Need(size_bytes=1, device="cpu", disk_bytes=50)):
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.1)
        with shared.hold(Need(size_bytes=1, device="cpu")):
            pass
    thread.join(timeout=5)
    assert entered.is_set()


def test_a_unit_over_two_devices_waits_until_both_are_free_and_holds_neither_meanwhile(
    tmp_path: Path,
) -> None:
    entered = threading.Event()

    def over_both() -> None:
        with Accelerators(tmp_path, (("0", "1"),)).hold() as devices:
            assert devices == ("0", "1")
            entered.set()

    with Accelerators(tmp_path, (("1",),)).hold():
        thread = threading.Thread(target=over_both)
        thread.start()
        assert not entered.wait(0.3)
        with Accelerators(tmp_path, (("0",),)).hold():
            pass
    thread.join(timeout=5)
    assert entered.is_set()


def test_where_gpus_are_used_children_of_a_unit_of_the_cpu_see_none(
    two: Accelerators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine_with(monkeypatch, tmp_path, [H200])
    with machine(two).hold(Need(size_bytes=1, device="cpu")):
        assert worker_environment(1)["CUDA_VISIBLE_DEVICES"] == ""
