"""The project's own Prefect server: started on demand, shared, and gone when nobody needs it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantgate.flows.orchestration.server.api import down, prefect_api, server_ahead, status, up
from quantgate.flows.orchestration.server.state import (
    ServerFolder,
    client_environment,
    health_problem,
)
from quantgate.flows.orchestration.server.tables import prefect_tables
from quantgate.pipelines.domain.errors import ServiceError
from tests.support.project import PROJECT
from tests.support.sqlite_rows import rows_of

pytestmark = pytest.mark.integration

CLIENT = """
import sys, time
from pathlib import Path
from quantgate.flows.orchestration.server.api import prefect_api
with prefect_api(Path(sys.argv[1])) as url:
    print(url, flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def warm_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One store for the module: its database is created once."""
    store = tmp_path_factory.mktemp("store")
    yield store
    down(store)
    assert not ServerFolder.of(store).has_keeper()


@pytest.fixture
def store(warm_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return warm_store


def start_client(store: Path) -> "subprocess.Popen[str]":
    environment = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"}
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(store)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment | {"PYTHONPATH": str(PROJECT)},
    )


def printed_url(client: "subprocess.Popen[str]") -> str:
    assert client.stdout is not None
    return client.stdout.readline().strip()


def kill(client: "subprocess.Popen[str]") -> None:
    client.kill()
    client.communicate()


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(*pids: int, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline, "a process was left running"
        time.sleep(0.1)


def test_two_clients_share_one_server_which_ends_when_both_were_killed(store: Path) -> None:
    first, second = start_client(store), start_client(store)
    url = printed_url(first)
    assert printed_url(second) == url
    record = ServerFolder.of(store).record()
    assert record is not None
    assert status(store).clients == 2
    kill(first)
    assert health_problem(url) is None
    kill(second)
    wait_until_gone(record.keeper_pid, record.server_pid)
    assert status(store).url is None
    assert list(ServerFolder.of(store).leases.iterdir()) == []


def test_a_flow_runs_against_it_and_leaves_its_records(store: Path, tmp_path: Path) -> None:
    script = tmp_path / "small_flow.py"
    script.write_text(
        "from prefect import flow, task\n"
        "@task\n"
        "def double(x): return 2 * x\n"
        "@flow\n"
        "def small(): return [double(x) for x in range(3)]\n"
        "print(small())\n"
    )
    with server_ahead(store) as start_beside:
        start_beside()  # while something else is done
        with prefect_api(store) as url:
            ran, count = run_and_count(script, store, url)
    assert ran.stdout.strip().endswith("[0, 2, 4]"), ran.stderr
    assert count.stdout.strip() == "1", count.stderr
    empty, of_store = (
        prefect_tables().folder / "empty.db",
        ServerFolder.of(store).home / "prefect.db",
    )
    assert rows_of(empty).keys() == {"alembic_version"}
    assert rows_of(of_store)["alembic_version"] == rows_of(empty)["alembic_version"]


def run_and_count(
    script: Path, store: Path, url: str
) -> tuple["subprocess.CompletedProcess[str]", ...]:
    """Run a flow against a server, and count what it knows of flows."""
    environment = os.environ | client_environment(store, url, os.environ)
    return tuple(
        subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True
        )
        for arguments in ((str(script),), ("-c", COUNT_RUNS))
    )


COUNT_RUNS = """
from prefect.client.orchestration import get_client
with get_client(sync_client=True) as client:
    print(len(client.read_flow_runs()))
"""


def test_a_killed_keeper_takes_its_server_along_and_its_client_starts_another_at_the_same_address(
    store: Path,
) -> None:
    news: list[str] = []
    with prefect_api(store, on_news=news.append) as url:
        record = ServerFolder.of(store).record()
        assert record is not None
        os.kill(record.keeper_pid, signal.SIGKILL)
        wait_until_gone(record.server_pid)
        wait_until_healthy(url)
        again = ServerFolder.of(store).record()
        assert again is not None
        assert again.keeper_pid != record.keeper_pid
    assert "Prefect's server was killed: starting it anew" in news


def test_a_killed_server_is_started_again_behind_the_same_socket(store: Path) -> None:
    with prefect_api(store) as url:
        record = ServerFolder.of(store).record()
        assert record is not None
        os.kill(record.server_pid, signal.SIGKILL)
        wait_until_gone(record.server_pid)
        wait_until_healthy(url)
        again = ServerFolder.of(store).record()
        assert again is not None
        assert (again.keeper_pid, again.url) == (record.keeper_pid, url)
        assert again.server_pid != record.server_pid


def test_a_server_killed_before_it_was_ready_is_started_again_at_the_same_address(
    store: Path,
) -> None:
    folder, killed = ServerFolder.of(store), []

    def kill_first_server() -> None:
        while (record := folder.record()) is None:
            time.sleep(0.01)
        os.kill(record.server_pid, signal.SIGKILL)
        killed.append(record)

    killer = threading.Thread(target=kill_first_server, daemon=True)
    killer.start()
    with prefect_api(store) as url:
        killer.join()
        again = folder.record()
        assert again is not None
        assert (again.keeper_pid, again.url) == (killed[0].keeper_pid, url)
        assert killed[0].url == url
        assert again.server_pid != killed[0].server_pid


def wait_until_healthy(url: str) -> None:
    deadline = time.monotonic() + 120
    while health_problem(url):
        assert time.monotonic() < deadline, "no server came back"
        time.sleep(0.1)


def test_up_keeps_it_without_clients_and_down_ends_it(store: Path) -> None:
    news: list[str] = []
    raised = up(store, news.append)
    assert raised.stays
    assert raised.url
    assert raised.pages == raised.url.removesuffix("/api")
    record = ServerFolder.of(store).record()
    assert record is not None
    with prefect_api(store, on_news=news.append) as url:
        assert url == raised.url
    time.sleep(7)
    assert status(store).url == raised.url
    fell = down(store, news.append)
    assert (fell.url, fell.stays, fell.clients) == (None, False, 0)
    wait_until_gone(record.keeper_pid, record.server_pid, seconds=5)
    assert down(store).url is None


def test_down_leaves_a_server_that_a_client_still_uses(store: Path) -> None:
    with prefect_api(store) as url:
        up(store)
        fell = down(store)
        assert (fell.url, fell.clients, fell.stays) == (url, 1, False)


def test_a_server_that_cannot_start_is_an_error_with_its_log(tmp_path: Path) -> None:
    folder = ServerFolder.of(tmp_path / "store")
    folder.root.mkdir(parents=True)
    folder.home.write_text("a file where Prefect wants its folder")
    with (
        pytest.raises(ServiceError, match="Prefect server ended") as caught,
        prefect_api(tmp_path / "store", api_url=None),
    ):
        pytest.fail("it cannot have started")
    assert caught.value.where == str(folder.log)
    assert folder.log.stat().st_size > 0


def test_a_named_api_is_used_and_checked(store: Path) -> None:
    with (
        pytest.raises(ServiceError, match="does not answer") as caught,
        prefect_api(store, api_url="http://127.0.0.1:9/api"),
    ):
        pytest.fail("nobody listens there")
    assert caught.value.transient
    with prefect_api(store) as url, prefect_api(store / "another", api_url=url) as named:
        assert named == url
    assert not (store / "another").exists()
