"""The service as a whole: both servers' pages, a server that dies, SIGTERM without orphans, a restart."""

import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.integration.flows.test_following import stop, wait_for_deployment
from tests.support.builds.processes import processes_of
from tests.support.builds.road import Road

pytestmark = [pytest.mark.integration, pytest.mark.slow]

READY_SECONDS = 180.0
PAGES = "quantgate.registry.mlflow.pages"


def test_one_command_serves_both_pages_and_ends_without_orphans(tmp_path: Path) -> None:
    (tmp_path / "releases.yaml").write_text("follow: []\n")
    road = Road(folder=tmp_path, store=tmp_path / "store")
    serving, registry, prefect = start(road)
    try:
        assert "MLflow" in text_of(registry)
        first = pages_process(serving.pid)
        os.kill(first, signal.SIGKILL)
        assert "MLflow" in text_of(registry), "it is started anew behind the same address"
        assert pages_process(serving.pid) != first
        deployment = wait_for_deployment(f"{prefect}/api")["id"]
    finally:
        stop(serving)
    assert children_of(serving.pid) == []
    again, registry, prefect = start(road)
    try:
        assert wait_for_deployment(f"{prefect}/api")["id"] == deployment, "the schedule stayed"
        last = pages_process(again.pid)
    finally:
        again.kill()
        again.communicate()
    gone_by = time.monotonic() + 30
    while (Path(f"/proc/{last}").exists() or processes_of(road.store)) and (
        time.monotonic() < gone_by
    ):
        time.sleep(0.5)
    assert not Path(f"/proc/{last}").exists(), "MLflow's server outlived its service"
    assert processes_of(road.store) == "", "Prefect's server outlived its service"


def start(road: Road) -> tuple["subprocess.Popen[str]", str, str]:
    """Start the service; return it with the addresses of MLflow's and Prefect's pages."""
    serving = road.start("serve", "--list", str(road.folder / "releases.yaml"))
    assert serving.stderr is not None
    registry = ""
    for line in serving.stderr:
        if "verdicts and versions are shown at" in line:
            registry = re.findall(r"http://\S+", line)[0]
        if "runs are shown at" in line:
            return serving, registry, line.split()[-1]
    raise AssertionError("the service did not come up")


def text_of(address: str) -> str:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(address, timeout=READY_SECONDS) as answer:
                return str(answer.read().decode())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def children_of(parent: int) -> list[str]:
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    return [line.strip() for line in listed.stdout.splitlines()]


def pages_process(parent: int) -> int:
    """Return the process that serves MLflow's pages."""
    for _ in range(60):
        found = [int(line.split()[0]) for line in children_of(parent) if PAGES in line]
        if found:
            return found[0]
        time.sleep(0.5)
    raise AssertionError("no process serves MLflow's pages")
