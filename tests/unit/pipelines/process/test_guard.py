"""A guarded program's helpers: who is left when the guard, the program or the owner dies."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.engines.openai.process import StartedServer, started
from tests.support.servers.served import all_gone, gone, launch, parent_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who is alive")

FAMILY = """
import os, signal, subprocess, sys, time
from pathlib import Path
trace, shared, how = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
CLEANS = '''
import signal, sys, time
from pathlib import Path
shared = Path(sys.argv[1])
def end(*_):
    time.sleep(0.3)
    shared.unlink()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
shared.write_text("shared memory")
time.sleep(60)
'''
helper = subprocess.Popen([sys.executable, "-c", CLEANS, str(shared)], start_new_session=how == "session")
while not shared.exists():
    time.sleep(0.01)
trace.write_text(f"{os.getpid()} {helper.pid}")
if how == "crash":
    os.abort()
time.sleep(60)
"""


class Family:
    """A program with a helper that takes a third of a second to clean up."""

    def __init__(self, folder: Path, how: str = "stay") -> None:
        self.trace, self.shared = folder / "trace", folder / "shared"
        self.launch = launch(
            [sys.executable, "-c", FAMILY, str(self.trace), str(self.shared), how], folder / "log"
        )

    def pids(self) -> list[int]:
        for _ in range(400):
            if self.trace.exists() and self.trace.read_text():
                return [int(pid) for pid in self.trace.read_text().split()]
            time.sleep(0.02)
        raise AssertionError("the program did not start")


@pytest.mark.parametrize("how", ["stay", "session"])
def test_helpers_clean_up_before_they_end_with_their_program(tmp_path: Path, how: str) -> None:
    family = Family(tmp_path, how)
    with started(family.launch):
        running = family.pids()
    assert all_gone(running)
    assert not family.shared.exists()


def test_helpers_of_a_program_that_crashed_clean_up_too(tmp_path: Path) -> None:
    family = Family(tmp_path, "crash")
    with started(family.launch) as process:
        running = family.pids()
        error = death(process)
    assert "SIGABRT" in error.what
    assert all_gone(running)
    assert not family.shared.exists()


def test_the_whole_group_ends_where_the_guard_is_killed(tmp_path: Path) -> None:
    family = Family(tmp_path)
    with started(family.launch) as process:
        running = family.pids()
        os.kill(parent_of(running[0]), signal.SIGKILL)
        assert all_gone(running)
        assert "was killed by SIGKILL" in death(process).what
    assert not family.shared.exists()


def test_every_process_sees_whether_it_runs_and_how_it_ended(tmp_path: Path) -> None:
    family = Family(tmp_path)
    with started(family.launch) as process:
        server = family.pids()[0]
        seen = elsewhere(process)
        assert seen == "None"
        os.kill(server, signal.SIGSEGV)
        death(process)
        assert "was killed by SIGSEGV" in elsewhere(process)
    assert process.died() is not None
    assert gone(server)


def test_a_secret_that_a_program_prints_does_not_reach_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_API_KEY", "s3cret-value")
    talk = (
        "import os,sys; print('key', os.environ['FAKE_API_KEY'], flush=True); sys.exit('é no end')"
    )
    with started(launch([sys.executable, "-c", talk], tmp_path / "log")) as process:
        error = death(process)
    assert (tmp_path / "log").read_text() == "key ***\né no end\n"
    assert "exit code 1" in error.what


def death(process: StartedServer) -> WorkerError:
    """Wait for a server's end."""
    for _ in range(400):
        if error := process.died():
            return error
        time.sleep(0.02)
    raise AssertionError("it did not end")


def elsewhere(process: StartedServer) -> str:
    """What another process sees of it."""
    look = f"""
        from pathlib import Path
        from quantgate.pipelines.engines.openai.process import StartedServer
        print(StartedServer(engine="fake", url="", log=Path({str(process.log)!r}),
            log_start_bytes=0, status=Path({str(process.status)!r}), guard=0).died())
    """
    command = [sys.executable, "-c", textwrap.dedent(look)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
