"""Prefect's server, its keeper and workers, killed at every stage of a build, alone or with the command."""

import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

import httpx
import pytest

from quantgate.flows.orchestration.server.state import ServerFolder
from tests.support.builds.road import Road
from tests.support.faults.afterwards import COMPLETE, completes
from tests.support.faults.strikes import StrikeAt, small_road, struck, struck_at_each, worker_killed
from tests.support.servers.slots import take_slot, wait_until_free

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


def prefect_killed(road: Road, victim: Victim) -> StrikeAt:
    """Return what kills what serves the store, where that is there just now."""

    def strike(_command: int) -> bool:
        record = ServerFolder.of(road.store).record()
        with suppress(ProcessLookupError):  # it died with the strike before this one
            if record is not None:
                pid = record.server_pid if victim == "server" else record.keeper_pid
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    return strike


def and_the_command(strike: StrikeAt) -> StrikeAt:
    """Return what strikes and kills the command too: the next one finds neither."""

    def both(command: int) -> bool:
        there = strike(command)
        os.kill(command, signal.SIGKILL)
        return there

    return both


@pytest.mark.parametrize("victim", ["server", "keeper"])
def test_prefects_server_is_killed_at_every_stage(victim: Victim, road: Road) -> None:
    kill, fault = prefect_killed(road, victim), f"SIGKILL Prefect's {victim}"
    codes = [
        struck(road, f"{fault}, and command", stage, and_the_command(kill)) for stage in STAGES[:2]
    ]
    assert -9 in codes and set(codes) <= {-9, None}, codes
    code, stages = struck_at_each(road, fault, STAGES, kill)
    assert code in COMPLETE
    assert len(stages) >= 2, stages
    completes(road)


def test_a_worker_process_is_killed_at_several_stages(road: Road) -> None:
    road = replace(road, variables=(*road.variables, ("QUANTGATE_TASK_RUNNER", "processes")))
    codes = [
        struck(road, "SIGKILL worker process", stage, worker_killed)
        for stage in ("load base:", "reference 1/", "audit: 1 ruler")
    ]
    assert codes[0] is not None and set(codes) <= {5, None}, codes
    completes(road)


def test_a_slot_whose_holder_died_is_free_again_though_the_server_was_killed_too(
    road: Road,
) -> None:
    folder = ServerFolder.of(road.store)
    assert road.run("up").returncode == 0
    try:
        record = folder.record()
        assert record is not None
        with httpx.Client(base_url=record.url, trust_env=False, timeout=20) as prefect:
            take_slot(prefect, "one")
            os.kill(record.server_pid, signal.SIGKILL)
            wait_until_free(prefect, "one")
    finally:
        assert road.run("down").returncode == 0
