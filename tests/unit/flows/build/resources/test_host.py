"""Units of several processes share a machine's memory; who dies holds nothing any more."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from quantgate.flows.build.resources.host import HostMemory

HOLDING = """
import sys, time
from pathlib import Path
from quantgate.flows.build.resources.host import HostMemory
with HostMemory(Path(sys.argv[1]), lambda: 100).hold(80):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quantgate.flows.build.resources.host._LOOK_SECONDS", 0.01)


def test_what_fits_is_held_together_and_what_does_not_waits(tmp_path: Path) -> None:
    entered = threading.Event()

    def large() -> None:
        with HostMemory(tmp_path, lambda: 100).hold(70):
            entered.set()

    with HostMemory(tmp_path, lambda: 100).hold(40), HostMemory(tmp_path, lambda: 100).hold(60):
        thread = threading.Thread(target=large)
        thread.start()
        assert not entered.wait(0.1)
    assert entered.wait(5)
    thread.join()
    assert list(tmp_path.rglob("*.held")) == []


def test_one_larger_than_all_there_is_runs_alone(tmp_path: Path) -> None:
    with HostMemory(tmp_path, lambda: 100).hold(1000):
        pass


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert len(list(tmp_path.rglob("*.held"))) == 1
        holder.kill()
    with HostMemory(tmp_path, lambda: 100).hold(80):
        assert len(list(tmp_path.rglob("*.held"))) == 1
