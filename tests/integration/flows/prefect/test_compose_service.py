"""Prefect's server as the compose file starts it, over PostgreSQL: leases outlive its being killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.project import PROJECT
from tests.support.servers.mlflow_served import free_port, postgres_cluster
from tests.support.servers.slots import take_slot, wait_until_free

pytestmark = [pytest.mark.integration, pytest.mark.slow]

READY_SECONDS = 180.0


def service() -> Any:
    """The compose file's service of Prefect's server."""
    file = PROJECT / "examples" / "service" / "compose.yaml"
    return yaml.safe_load(file.read_text())["services"]["prefect"]


def environment(database: str, port: int, home: Path) -> dict[str, str]:
    """The environment that the compose file gives it, with this machine's database, port and folder."""
    stated: Mapping[str, str] = service()["environment"]
    here = {
        "PREFECT_API_DATABASE_CONNECTION_URL": database.replace("://", "+asyncpg://"),
        "PREFECT_SERVER_UI_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_HOME": str(home),
    }
    assert set(here) <= set(stated)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return kept | dict(stated) | here


@contextmanager
def served(variables: Mapping[str, str], port: int, log: Path) -> Iterator[str]:
    """Run the compose file's command; yield its API's address; kill all of it at the end."""
    program, *arguments = service()["command"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name(program)), *arguments, "--port", str(port)],
            env=dict(variables),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}/api"
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not answers(url):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.5)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)


def answers(url: str) -> bool:
    """Whether it is healthy."""
    try:
        return httpx.get(f"{url}/health", trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_slot_whose_holder_died_is_free_again_after_the_container_was_killed(
    tmp_path: Path,
) -> None:
    port, log = free_port(), tmp_path / "log"
    with postgres_cluster() as database:
        variables = environment(database.uri, port, tmp_path / "home")
        with (
            served(variables, port, log) as url,
            httpx.Client(base_url=url, trust_env=False, timeout=20) as prefect,
        ):
            take_slot(prefect, "one")
        with (
            served(variables, port, log) as url,
            httpx.Client(base_url=url, trust_env=False, timeout=20) as prefect,
        ):
            wait_until_free(prefect, "one")
