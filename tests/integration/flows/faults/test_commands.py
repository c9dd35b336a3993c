"""The command, killed and asked to end at every stage of a build: the same command completes it."""

import signal

import pytest

from tests.support.builds.road import Road
from tests.support.faults.afterwards import COMPLETE, completes
from tests.support.faults.strikes import STAGES, signalled, struck

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ENDINGS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGHUP: 129}


def test_the_command_is_signalled_at_every_stage(road: Road) -> None:
    codes = {
        (number, stage): struck(road, f"{number.name} command", stage, signalled(number))
        for stage in STAGES
        for number in ENDINGS
    }
    for number, ending in ENDINGS.items():
        ended = [code for (each, _), code in codes.items() if each == number and code is not None]
        assert len(ended) >= 8, codes
        assert set(ended) <= {ending, *COMPLETE}, codes
        assert ended.count(ending) >= 7, codes
    completes(road)
