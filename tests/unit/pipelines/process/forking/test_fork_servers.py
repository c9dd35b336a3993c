import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.orchestration.server.state import client_environment
from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.process import runner
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.forking import client
from quantgate.pipelines.process.forking.client import ForkedChild, ForkServers
from quantgate.pipelines.process.runner import run_worker
from tests.support.children.worker_calls import FAMILY, call, gone, wait_for
from tests.support.children.workers import Done
from tests.support.project import PROJECT


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[ForkServers]:
    servers = ForkServers(families=(FAMILY,))
    monkeypatch.setattr(runner, "FORK_SERVERS", servers)
    yield servers
    servers.close()


def test_one_interpreter_serves_several_calls(tmp_path: Path, servers: ForkServers) -> None:
    processes: set[object] = set()
    for name in "abc":
        run_worker(call(tmp_path / name, "work"), Done, ignore_progress)
        processes.update(servers.processes())
    assert len(processes) == 1
    servers.close()
    assert not servers.processes()
    run_worker(call(tmp_path, "work"), Done, ignore_progress)
    assert len(servers.processes()) == 1


def test_another_environment_gets_a_server_of_its_own(
    tmp_path: Path, servers: ForkServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_worker(call(tmp_path, "work"), Done, ignore_progress)
    monkeypatch.setenv("QUANTGATE_STORE", str(tmp_path))
    of_a_flow = client_environment(tmp_path, "http://127.0.0.1:4200/api", os.environ)
    assert "NO_PROXY" in of_a_flow
    for name, text in (of_a_flow | {"MLFLOW_DISABLE_TELEMETRY": "true"}).items():
        monkeypatch.setenv(name, text)
    run_worker(call(tmp_path, "work"), Done, ignore_progress)
    assert len(servers.processes()) == 1
    monkeypatch.setenv("TORCH_LOGS", "all")
    run_worker(call(tmp_path, "work"), Done, ignore_progress)
    assert len(servers.processes()) == 2


def test_a_package_that_is_installed_gets_a_server_that_imports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "site-packages"
    packages.mkdir()
    servers = ForkServers(families=(FAMILY,), packages=(packages, tmp_path / "none"))
    monkeypatch.setattr(runner, "FORK_SERVERS", servers)
    try:
        for name, count in (("a-1.0", 1), ("a-1.1", 2), (None, 2)):
            if name is not None:
                (packages / f"{name}.dist-info").mkdir()
            run_worker(call(tmp_path / "calls", "work"), Done, ignore_progress)
            assert len(servers.processes()) == count
    finally:
        servers.close()


def test_a_child_has_the_environment_and_the_folder_of_its_own_start(
    tmp_path: Path, servers: ForkServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    for name in "ab":
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        monkeypatch.setenv("QUANTGATE_MARK", name)
        seen = run_worker(call(tmp_path, "tell place"), Done, ignore_progress).value
        assert seen == Done(text=f"{folder} {name}")


def test_the_oldest_of_many_servers_goes_once_its_children_have_ended(
    tmp_path: Path, servers: ForkServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = threading.Thread(
        target=lambda: run_worker(call(tmp_path / "first", "wait for end"), Done, ignore_progress)
    )
    first.start()
    wait_for(tmp_path / "first" / "trace")
    (oldest,) = servers.processes()
    for name in "abc":
        monkeypatch.setenv("TORCH_LOGS", name)
        run_worker(call(tmp_path / name, "work"), Done, ignore_progress)
    assert oldest not in servers.processes()
    assert oldest.poll() is None
    (tmp_path / "first" / "end").touch()
    first.join()
    assert oldest.wait(timeout=10) == 0


def test_who_loses_the_server_loses_its_children_and_gets_a_new_one(
    tmp_path: Path, servers: ForkServers
) -> None:
    trouble: list[str] = []

    def sleeping() -> None:
        try:
            run_worker(call(tmp_path, "sleep"), Done, ignore_progress)
        except WorkerError as error:
            trouble.append(error.what)

    thread = threading.Thread(target=sleeping)
    thread.start()
    worker = wait_for(tmp_path / "trace")
    (process,) = servers.processes()
    os.kill(process.pid, signal.SIGKILL)
    thread.join(timeout=10)
    assert gone(worker)
    assert trouble == ["was killed (SIGKILL)"] or "SIGKILL" in trouble[0]
    assert run_worker(call(tmp_path, "work"), Done, ignore_progress).value.text == "passive1"


def test_a_server_that_still_imports_ends_with_whoever_started_it(tmp_path: Path) -> None:
    program = (
        "import os, signal, threading\n"
        "from tests.unit.pipelines.process.forking.test_fork_servers import *\n"
        "long = replace(FAMILY, imports=('tests.support.children.imported.taking_long',))\n"
        "runner.FORK_SERVERS = ForkServers(families=(long,))\n"
        f"asked = call(Path({str(tmp_path)!r}), 'sleep')\n"
        "threading.Thread(target=run_worker, args=(asked, Done, ignore_progress), daemon=True).start()\n"
        "while not runner.FORK_SERVERS.processes():\n"
        "    time.sleep(0.01)\n"
        "time.sleep(0.5)\n"
        "print(runner.FORK_SERVERS.processes()[0].pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert parent.returncode == -signal.SIGKILL, parent.stderr
    deadline = time.monotonic() + 2
    while not (ended := gone(int(parent.stdout))) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert ended, "the server goes on importing, to fork a child of nobody's"
    assert not (tmp_path / "trace").exists()


def test_a_server_that_hangs_while_it_imports_is_killed_and_the_worker_runs_all_the_same(
    tmp_path: Path, servers: ForkServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = replace(FAMILY, imports=("tests.support.children.imported.taking_long",))
    monkeypatch.setattr(servers, "families", (long,))
    monkeypatch.setenv("QUANTGATE_HUNG_MINUTES", "0.03")
    assert run_worker(call(tmp_path, "work"), Done, ignore_progress).value.text == "passive1"
    (process,) = servers.processes()
    assert process.wait(timeout=10) == -signal.SIGKILL


def test_a_server_with_other_threads_does_not_fork(
    tmp_path: Path, servers: ForkServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    threaded = replace(FAMILY, imports=("tests.support.children.imported.a_thread",))
    monkeypatch.setattr(servers, "families", (threaded,))
    assert run_worker(call(tmp_path, "work"), Done, ignore_progress).value.text == "passive1"
    (process,) = servers.processes()
    assert process.wait(timeout=10) == 1


def test_what_imports_set_in_the_environment_children_have(
    tmp_path: Path, servers: ForkServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = replace(FAMILY, imports=("tests.support.children.imported.a_variable",))
    monkeypatch.setattr(servers, "families", (setting,))
    monkeypatch.delenv("QUANTGATE_MARK", raising=False)
    seen = run_worker(call(tmp_path, "tell place"), Done, ignore_progress).value
    assert seen.text.endswith(" set while imported")


def test_one_whose_module_cannot_be_imported_says_so_itself(
    tmp_path: Path, servers: ForkServers
) -> None:
    missing = call(tmp_path, "work", module="tests.support.no_such_worker")
    with pytest.raises(WorkerError, match="No module named"):
        run_worker(missing, Done, ignore_progress)


def test_nobody_is_forked_beside_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.can_fork()
    monkeypatch.setattr(client, "computes_on_gpus", lambda: True)
    assert not client.can_fork()


def test_nobody_is_forked_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "available_bytes", lambda: 1 << 30)
    assert not client.can_fork()


def test_a_child_is_looked_at_from_a_handler_that_cuts_in() -> None:
    status, theirs = os.pipe()
    child = ForkedChild(1, status, b"")
    with child._lock:
        assert child.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(timeout=0.05)
    started = time.monotonic()
    os.write(theirs, b"-6\n")
    assert (child.wait(timeout=5), child.poll(), child.returncode) == (-6, -6, -6)
    assert time.monotonic() - started < 1
    os.close(theirs)
