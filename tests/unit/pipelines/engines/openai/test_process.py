import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.engines.openai.process import ending, filled, free_port, started
from tests.support.servers.served import all_gone, gone, launch, parent_of

FAKE = [sys.executable, "-m", "tests.support.servers.openai_fake"]
OWNER = """
import sys, time
from pathlib import Path
from tests.support.servers.served import launch
from quantgate.pipelines.engines.openai.process import started
with started(launch(sys.argv[2:], Path(sys.argv[1]))):
    time.sleep(60)
"""


def fake(*options: str) -> list[str]:
    return [*FAKE, "--port", str(free_port()), "--model", "model.gguf", *options]


def pids(trace: Path) -> list[int]:
    for _ in range(200):
        if trace.exists() and trace.read_text():
            return [int(pid) for pid in trace.read_text().split()]
        time.sleep(0.05)
    raise AssertionError("the server did not start")


def test_known_placeholders_are_filled_in_and_other_braces_left_alone() -> None:
    command = ("serve", "{model}", "--port={port}", '{"a": 1}', "{unheard}")
    assert filled(command, {"model": "/m", "port": 8}) == [
        "serve", "/m", "--port=8", '{"a": 1}', "{unheard}",
    ]  # fmt: skip


def test_a_server_and_what_it_started_end_with_the_block(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with started(launch(fake("--trace", str(trace)), tmp_path / "server.log")) as process:
        running = pids(trace)
        assert process.died() is None
        assert not any(gone(pid) for pid in running)
    assert all_gone(running)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who is alive")
def test_nothing_is_left_where_the_owner_is_killed(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "log"), *fake("--trace", str(trace))]
    )
    running = pids(trace)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert all_gone(running)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends it on Linux only")
def test_the_server_ends_where_its_guard_is_killed(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with started(launch(fake("--trace", str(trace)), tmp_path / "log")) as process:
        server, helper = pids(trace)
        os.kill(parent_of(server), signal.SIGKILL)
        assert all_gone([server])
        error = process.died()
    assert error is not None
    assert "was killed by SIGKILL" in error.what
    os.kill(helper, signal.SIGKILL)


def test_a_server_that_ends_before_it_answers_is_told_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with (
        pytest.raises(WorkerError, match=r"exit code 1.*unknown tensor type") as caught,
        started(launch(fake("--behave", "refuse"), log)) as process,
    ):
        process.wait_until_ready(lambda: False, 20.0)
    assert caught.value.log == log


def test_a_command_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(WorkerError, match=r"could not be started.*No such file"),
        started(launch(["/nowhere/server"], tmp_path / "log")) as process,
    ):
        process.wait_until_ready(lambda: False, 20.0)


def test_a_server_that_never_answers_is_waited_for_so_long_and_then_ended(tmp_path: Path) -> None:
    with (
        pytest.raises(WorkerError, match=r"did not answer within 0\.3 s") as caught,
        started(launch(fake("--behave", "hang"), tmp_path / "log")) as process,
    ):
        process.wait_until_ready(lambda: False, 0.3)
    assert "startup_timeout_seconds" in str(caught.value)


def test_another_server_at_the_same_port_is_not_taken_for_ours(tmp_path: Path) -> None:
    with (
        pytest.raises(WorkerError, match="exit code 1"),
        started(launch(fake("--behave", "refuse"), tmp_path / "log")) as process,
    ):
        for _ in range(200):
            if process.died():
                break
            time.sleep(0.05)
        process.wait_until_ready(lambda: True, 5.0)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (3, "ended with exit code 3"),
        (127, "could not be started"),
        (128 + 11, "was killed by SIGSEGV"),
        (128 + 9, "was killed by SIGKILL (often: out of memory)"),
        (-9, "was killed by SIGKILL (often: out of memory)"),
        (255, "ended with exit code 255"),
    ],
)
def test_an_end_is_told_in_words(code: int, told: str) -> None:
    assert ending(code) == told
