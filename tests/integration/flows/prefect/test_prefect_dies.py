"""Prefect's server goes away while a build runs: the build ends as if it had not."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from quantgate.flows.orchestration.server.state import ServerFolder, ServerRecord
from tests.support.builds.road import Road, make_road

pytestmark = [pytest.mark.integration, pytest.mark.slow]

Victim = Literal["its server", "its keeper", "a named server"]


def record_of(store: Path) -> ServerRecord:
    record = ServerFolder.of(store).record()
    assert record is not None
    return record


def run_and_kill(road: Road, victim: Victim, store: Path) -> tuple[int, str]:
    """Run the build; when it builds, kill what serves `store`. Return the exit code and what was said."""
    said = []
    with road.start(*road.build, "--anyway") as process:
        assert process.stderr is not None and process.stdout is not None
        for line in process.stderr:
            said.append(line)
            if line.startswith("build:") and "done" not in line:
                record = record_of(store)
                pid = record.server_pid if victim == "its server" else record.keeper_pid
                os.kill(pid, signal.SIGKILL)
        said.append(process.stdout.read())
        return process.wait(), "".join(said)


@pytest.mark.parametrize("victim", ["its server", "its keeper", "a named server"])
def test_a_build_outlives_the_server(victim: Victim, tmp_path: Path) -> None:
    road, store = make_road(tmp_path, ("Q8_0",), items_a_slice=4), tmp_path / "store"
    if victim == "a named server":
        store = tmp_path / "elsewhere"
        assert replace(road, store=store).run("up").returncode == 0
        road = replace(road, prefect_api=record_of(store).url)
    code, said = run_and_kill(road, victim, store)
    assert code in (0, 11), said
    assert "page:" in said
    assert "Traceback" not in said and "Error logging" not in said, said
    gone = said.count("Prefect's server went away")
    assert gone == (1 if victim == "a named server" else 0), said
