"""The command and its children, signalled at every stage of a build: the same command completes it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.builds.road import Road
from tests.support.faults.afterwards import COMPLETE, completes
from tests.support.faults.strikes import (
    STAGES,
    WITH_CHILDREN,
    child_signalled,
    signalled,
    small_road,
    struck,
)

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ENDINGS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    """A small build whose Prefect server stays between commands."""
    made = small_road(tmp_path)
    assert made.run("up").returncode == 0
    yield made
    assert made.run("down").returncode == 0


@pytest.mark.parametrize("number", ENDINGS)
def test_the_command_is_signalled_at_every_stage(number: signal.Signals, road: Road) -> None:
    codes = [struck(road, f"{number.name} command", stage, signalled(number)) for stage in STAGES]
    hit = [code for code in codes if code is not None]
    assert len(hit) >= 9, codes
    assert set(hit) <= {ENDINGS[number], *COMPLETE}, codes
    assert hit.count(ENDINGS[number]) >= 8, codes
    completes(road)


def test_a_child_is_killed_at_every_stage_that_has_one(road: Road) -> None:
    strike = child_signalled(road, signal.SIGKILL)
    codes = [struck(road, "SIGKILL child", stage, strike) for stage in WITH_CHILDREN]
    assert len([code for code in codes if code is not None]) >= 5, codes
    completes(road)


def test_a_child_that_hangs_ends_with_its_command(road: Road) -> None:
    hang = child_signalled(road, signal.SIGSTOP)

    def strike(command: int) -> bool:
        hung = hang(command)
        os.kill(command, signal.SIGTERM)
        return hung

    codes = [
        struck(road, "hung child, SIGTERM", stage, strike)
        for stage in ("reference 1/", "audit: 1 ruler")
    ]
    assert 143 in codes and set(codes) <= {143, None}, codes
    completes(road)
