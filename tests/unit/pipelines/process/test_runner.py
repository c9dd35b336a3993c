import importlib.util
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import CheckpointError, WorkerError
from quantgate.pipelines.process import runner
from quantgate.pipelines.process.calls import Progress, ignore_progress
from quantgate.pipelines.process.forking.client import ForkServers
from quantgate.pipelines.process.launch import leave_out_what_is_never_used
from quantgate.pipelines.process.runner import run_worker
from tests.support.children.worker_calls import FAMILY, call, gone, wait_for
from tests.support.children.workers import Done, Order
from tests.support.project import PROJECT


@pytest.fixture(autouse=True, params=["started", "forked"])
def servers(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ForkServers]:
    """Every worker of these tests is started in an interpreter of its own, and forked from one."""
    servers = ForkServers(families=(FAMILY,) if request.param == "forked" else ())
    monkeypatch.setattr(runner, "FORK_SERVERS", servers)
    yield servers
    servers.close()


def test_a_worker_replies_reports_progress_and_has_its_output_logged(tmp_path: Path) -> None:
    heard: list[Progress] = []
    reply = run_worker(call(tmp_path, "work"), Done, heard.append)
    assert reply.value == Done(text="passive1")
    assert reply.peak_memory_bytes > 1_000_000
    assert [progress.done for progress in heard] == [0, 1, 2]
    assert "chatter on stdout" in (tmp_path / "logs" / "worker.log").read_text()


def test_an_error_the_worker_raises_arrives_as_itself_with_the_log(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        run_worker(call(tmp_path, "refuse"), Done, ignore_progress)
    assert (caught.value.what, caught.value.where) == ("cannot be used", "layer 3")
    assert caught.value.next_step == "use another"
    assert caught.value.log == tmp_path / "logs" / "worker.log"


def test_an_error_that_names_a_log_of_its_own_keeps_it(tmp_path: Path) -> None:
    served = call(tmp_path, "served")
    with pytest.raises(WorkerError, match="vllm ended") as caught:
        run_worker(served, Done, ignore_progress)
    assert isinstance(served.request, Order)
    assert caught.value.log == served.request.path


def test_a_bug_in_the_worker_is_a_worker_error_that_quotes_the_last_line(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="exit code 1: ZeroDivisionError: a bug"):
        run_worker(call(tmp_path, "crash"), Done, ignore_progress)


@pytest.mark.parametrize("name", ["SIGABRT", "SIGBUS", "SIGSEGV", "SIGKILL"])
def test_a_killed_worker_is_an_error_that_names_the_signal(tmp_path: Path, name: str) -> None:
    with pytest.raises(WorkerError, match=name):
        run_worker(call(tmp_path, name), Done, ignore_progress)


def test_what_a_worker_said_last_is_heard_also_where_it_dies_at_once(tmp_path: Path) -> None:
    heard: list[str] = []

    def listen(progress: Progress) -> None:
        if not heard:
            time.sleep(0.5)  # meanwhile it goes on, and dies
        heard.append(progress.what)

    with pytest.raises(WorkerError, match="SIGABRT"):
        run_worker(call(tmp_path, "tell, then SIGABRT"), Done, listen)
    assert heard == ["beginning", "ending"]


def test_a_worker_that_exits_without_a_reply_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="without a reply"):
        run_worker(call(tmp_path, "silent exit"), Done, ignore_progress)


def test_a_worker_that_takes_too_long_is_stopped_and_none_hangs_that_waits_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGATE_HUNG_MINUTES", "0.02")
    asked = replace(call(tmp_path, "sleep", timeout_seconds=3.0), waits_seconds=60.0)
    with pytest.raises(WorkerError, match="longer than"):
        run_worker(asked, Done, ignore_progress)
    assert gone(wait_for(tmp_path / "trace"))


@pytest.mark.parametrize("act", ["sleep", "hang at exit"])
def test_a_worker_that_hangs_is_stopped_and_the_error_says_how_to_give_it_longer(
    tmp_path: Path, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGATE_HUNG_MINUTES", "0.02")
    with pytest.raises(WorkerError, match="it neither computed nor said anything") as caught:
        run_worker(call(tmp_path, act), Done, ignore_progress)
    assert caught.value.next_step is not None
    assert "QUANTGATE_HUNG_MINUTES" in caught.value.next_step


def test_a_worker_dies_when_its_parent_is_killed(tmp_path: Path, servers: ForkServers) -> None:
    program = (
        "from pathlib import Path\n"
        "from tests.unit.pipelines.process.test_runner import *\n"
        f"runner.FORK_SERVERS = ForkServers((FAMILY,) if {bool(servers.families)} else ())\n"
        f"run_worker(call(Path({str(tmp_path)!r}), 'sleep'), Done, ignore_progress)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT)
    worker = wait_for(tmp_path / "trace")
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(100):
        if gone(worker):
            return
        time.sleep(0.05)
    raise AssertionError("the worker outlived its parent")


def test_workers_run_side_by_side_in_threads(tmp_path: Path) -> None:
    replies: list[Done] = []

    def run(name: str) -> None:
        replies.append(run_worker(call(tmp_path / name, "work"), Done, ignore_progress).value)

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [Done(text="passive1")] * 2


@pytest.mark.parametrize(
    ("module", "left_out"),
    [
        ("quantgate.pipelines.engines.transformers.workers.checkpoint_loading", True),
        ("quantgate.pipelines.engines.llamacpp.workers.building.convert", True),
        ("quantgate.pipelines.engines.llmcompressor.workers.compress", False),
        ("quantgate.pipelines.evaluation.workers.lm_eval_tasks", False),
    ],
)
def test_what_transformers_imports_for_nothing_is_left_out_where_nothing_else_needs_it(
    module: str, left_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)  # put back afterwards, whatever it is
    del sys.modules["sklearn"]
    leave_out_what_is_never_used(module)
    assert ("sklearn" in sys.modules) is left_out
    if left_out:
        assert importlib.util.find_spec("sklearn") is None
