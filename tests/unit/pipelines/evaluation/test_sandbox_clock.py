"""What a sandbox computes and sleeps is counted; what a busy machine keeps from it is not."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from quantgate.pipelines.evaluation.sandbox.clock import BusyError, SandboxClock

Start = Callable[[str], int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start programs that are ended with the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def started(program: str) -> int:
        command = [sys.executable, "-S", "-c", f"print(flush=True)\n{program}"]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True))
        stream = processes[-1].stdout
        assert stream is not None
        stream.readline()
        return processes[-1].pid

    yield started
    for process in processes:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def late_after(clock: SandboxClock, *, most_seconds: float = 20.0) -> float:
    """Return the wall time after which a silent sandbox is late."""
    began = time.monotonic()
    while time.monotonic() - began < most_seconds:
        time.sleep(0.06)
        if clock.is_late(silent=True):
            return time.monotonic() - began
    raise AssertionError("it is never late")


@pytest.mark.parametrize(
    "program",
    [
        "while True: pass",
        "import time; time.sleep(60)",
        "import os\nif os.fork() == 0:\n  while True: pass\nos.wait()",
        "import threading, time\nthreading.Thread(target=time.sleep, args=[60]).start()",
    ],
)
def test_a_program_is_late_that_computes_or_sleeps_too_long(start: Start, program: str) -> None:
    assert late_after(SandboxClock([start(program)], 0.3)) >= 0.25


def test_time_of_processes_that_have_ended_counts(start: Start) -> None:
    program = """
import os, time
if os.fork() == 0:
    began = time.process_time()
    while time.process_time() - began < 0.5: pass
    os._exit(0)
os.wait()
"""
    process = start(program)
    clock = SandboxClock([process], 0.4)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    assert clock.ended_late()


def test_a_program_that_ends_early_is_not_late(start: Start) -> None:
    clock = SandboxClock([start("import os; os._exit(0)")], 0.4)
    assert not clock.ended_late()


def test_a_thread_that_computes_behind_one_that_waits_does_not_sleep(start: Start) -> None:
    program = "import threading\ndef f():\n  while True: pass\nthreading.Thread(target=f).start()"
    clock = SandboxClock([start(program)], 0.5)
    began, used = time.monotonic(), time.process_time()
    late_after(clock)
    assert time.monotonic() - began >= 0.45
    assert time.process_time() - used < time.monotonic() - began  # looking is cheap


def test_what_computes_and_gets_no_time_for_it_is_an_error_and_no_finding(start: Start) -> None:
    clock = SandboxClock([start("while True: pass")], 1000.0, patience_seconds=0.3)
    with pytest.raises(BusyError, match="this machine is too busy"):
        late_after(clock)


def test_a_program_that_stops_itself_sleeps(start: Start) -> None:
    program = f"import os; os.kill(os.getpid(), {int(signal.SIGSTOP)})"
    assert late_after(SandboxClock([start(program)], 0.3)) >= 0.25
