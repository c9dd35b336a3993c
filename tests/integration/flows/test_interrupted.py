"""SIGINT and SIGTERM while real tools work: a prompt end, nothing left, the same verdicts afterwards."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.builds.processes import all_in, workers_in
from tests.support.builds.road import Road, leftovers, make_road

# In CI: tests/unit/pipelines/process/test_interruption.py.
pytestmark = [pytest.mark.integration, pytest.mark.slow]

STEPS = ("load base:", "audit: base", "reference 1/", "reference 2/", "build:", "audit:", "answer:")
"""How the lines begin that say a unit is under way, in their order; registering takes no child."""


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    """A build of one recipe, whose Prefect server stays up between commands."""
    made = make_road(tmp_path, ("Q8_0",), items_a_slice=4)
    assert made.run("up").returncode == 0
    yield made
    assert made.run("down").returncode == 0


def interrupt(road: Road, step: str, number: signal.Signals) -> int | None:
    """Send a signal while a step is under way; return the exit code, None where the step never came."""
    with road.start(*road.build, "--anyway") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(step) and " done " not in line:
                time.sleep(0.3)
                process.send_signal(number)
                sent = time.monotonic()
                rest = process.stderr.read()
                code = process.wait()
                assert time.monotonic() - sent < 20, rest
                assert "Traceback" not in rest, rest
                assert "interrupted; finished units are kept" in rest
                return code
    return None


def judged(road: Road) -> list[tuple[object, ...]]:
    """Run the build to its end; what each variant was judged to be."""
    finished = road.run(*road.build, "--anyway", "--json")
    assert finished.returncode in (0, 10, 11), finished.stderr
    assert leftovers(road.store) == []
    return [
        (row["decision"], row["failure"], row["verdict"]["reasons"], row["audit"])
        for row in json.loads(finished.stdout)["variants"]
    ]


def children_of(road: Road) -> str:
    return "\n".join(
        str(process)
        for process in all_in(road.store)
        if process in workers_in(road.store) or " -m quantgate " in process.command
    )


def test_an_interrupted_audit_is_no_verdict(road: Road) -> None:
    assert interrupt(road, "audit:", signal.SIGTERM) == 143
    assert children_of(road) == ""
    assert interrupt(road, "answer:", signal.SIGINT) in (130, None)
    assert children_of(road) == ""
    (row,) = judged(road)
    assert row[0] in ("pass", "inconclusive"), row


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_every_unit_the_build_ends_with_the_same_verdicts(
    number: signal.Signals, road: Road, tmp_path: Path
) -> None:
    codes = {step: interrupt(road, step, number) for step in STEPS}
    assert {code for code in codes.values() if code is not None} == {128 + number}, codes
    assert sum(code is not None for code in codes.values()) >= 4, codes
    undisturbed = make_road(tmp_path / "undisturbed", ("Q8_0",), items_a_slice=4)
    assert judged(road) == judged(undisturbed)
