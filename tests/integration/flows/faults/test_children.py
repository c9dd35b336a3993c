"""Children killed, hung and out of memory at every stage that has one: the same command completes it."""

import os
import signal
from dataclasses import replace

import pytest

from tests.support.builds.road import Road
from tests.support.faults.afterwards import completes
from tests.support.faults.strikes import (
    WITH_CHILDREN,
    StrikeAt,
    child_confined,
    child_signalled,
    child_starved,
    struck,
)
from tests.support.limits.memory import memory_group

pytestmark = [pytest.mark.integration, pytest.mark.slow]

KILLED, STARVED = 5, 4
"""Of a child that was killed or hung, and of one that ran out of memory."""
_GROUP_BYTES = 8 << 20


def and_the_command_ends(strike: StrikeAt) -> StrikeAt:
    """Return what strikes a child and asks the command to end."""

    def both(command: int) -> bool:
        hit = strike(command)
        os.kill(command, signal.SIGTERM)
        return hit

    return both


def test_a_child_is_struck_at_every_stage_that_has_one(road: Road) -> None:
    patient = replace(road, variables=(*road.variables, ("QUANTGATE_HUNG_MINUTES", "0.25")))
    kill, hang = child_signalled(road, signal.SIGKILL), child_signalled(road, signal.SIGSTOP)
    codes: dict[str, list[int | None]] = {}

    def strike(stage: str, fault: str, how: StrikeAt) -> None:
        codes.setdefault(fault, []).append(struck(patient, fault, stage, how))

    with memory_group(_GROUP_BYTES) as group:
        for stage in WITH_CHILDREN:
            strike(stage, "SIGKILL child", kill)
            if stage in ("load base:", "reference 1/", "build:"):
                strike(stage, "child gets no more memory", child_starved(road))
                if group is not None:
                    strike(stage, "kernel kills child for memory", child_confined(road, group))
            if stage in ("reference 1/", "build:"):
                strike(stage, "hung child", hang)
                strike(stage, "hung child, SIGTERM command", and_the_command_ends(hang))
    hit = {fault: [code for code in each if code is not None] for fault, each in codes.items()}
    assert len(hit["SIGKILL child"]) >= 5 and set(hit["SIGKILL child"]) == {KILLED}, codes
    assert set(hit["hung child"]) == {KILLED}, codes
    assert set(hit["hung child, SIGTERM command"]) == {143}, codes
    assert set(hit["child gets no more memory"]) <= {STARVED, KILLED}, "a library may abort instead"
    assert set(hit.get("kernel kills child for memory", [STARVED])) == {STARVED}, codes
    completes(road)
