"""Prefect's server, its keeper and workers, killed at every stage of a build, alone or with the command."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from quantgate.flows.orchestration.server.state import ServerFolder
from tests.support.builds.road import Road
from tests.support.builds.strikes import (
    COMPLETE,
    child_signalled,
    completes,
    signalled,
    small_road,
    struck,
)

pytestmark = [pytest.mark.integration, pytest.mark.slow]

Victim = Literal["server", "keeper"]
STAGES = (
    "load base:",
    "compare with the checkpoint:",
    "reference 1/",
    "build:",
    "audit: 1 ruler",
    "register:",
)


@pytest.fixture
def road(tmp_path: Path) -> Road:
    """A small build with a Prefect server of its own, which ends with the command."""
    return small_road(tmp_path)


def kill_prefect(road: Road, victim: Victim) -> None:
    """Kill what serves the store."""
    record = ServerFolder.of(road.store).record()
    if record is not None:
        os.kill(record.server_pid if victim == "server" else record.keeper_pid, signal.SIGKILL)


def and_then(road: Road, victim: Victim, strike: Callable[[int], None]) -> Callable[[int], None]:
    """Return what kills Prefect's server and strikes the command too: the next one finds neither."""

    def both(command: int) -> None:
        kill_prefect(road, victim)
        strike(command)

    return both


@pytest.mark.parametrize("victim", ["server", "keeper"])
def test_prefects_server_is_killed_at_every_stage(victim: Victim, road: Road) -> None:
    ended = and_then(road, victim, signalled(signal.SIGKILL))
    fault = f"SIGKILL Prefect's {victim}"
    codes = [struck(road, f"{fault} and command", stage, ended) for stage in STAGES[:-1]]
    assert set(codes) <= {-9, None}, codes
    assert codes.count(-9) >= 4, codes
    code = struck(road, fault, STAGES[-1], lambda _: kill_prefect(road, victim))
    assert code in COMPLETE
    completes(road)


@pytest.mark.parametrize("victim", ["server", "keeper"])
def test_a_build_goes_on_where_prefects_server_alone_is_killed(victim: Victim, road: Road) -> None:
    code = struck(
        road, f"SIGKILL Prefect's {victim}", "load base:", lambda _: kill_prefect(road, victim)
    )
    assert code in COMPLETE
    completes(road)


def test_a_worker_process_is_killed_at_several_stages(road: Road) -> None:
    road = replace(road, variables=(*road.variables, ("QUANTGATE_TASK_RUNNER", "processes")))
    for stage in ("load base:", "reference 1/", "audit: 1 ruler"):
        strike = child_signalled(road, signal.SIGKILL, "multiprocessing")
        struck(road, "SIGKILL worker process", stage, strike)
    completes(road)
