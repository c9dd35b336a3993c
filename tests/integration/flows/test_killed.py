"""SIGKILL at any moment, then the same command: it completes, repeats nothing, leaves nothing behind."""

import signal
import sqlite3
import time
from pathlib import Path

import pytest

from tests.support.builds.processes import require_ended
from tests.support.builds.road import Road, leftovers, make_road

pytestmark = pytest.mark.integration

RECIPES = ("Q8_0", "Q4_K_M--imatrix", "FP8_DYNAMIC")
EVERY_POINT = (1, 2, 3, 5, 6, 5, 7, 6, 5, 7, 6, 5, 7)
"""After how many progress lines each try is killed: planning, server start, then every kind of unit."""
SOME_POINTS = (2, 6)


def kill_after(road: Road, lines: int, delay_seconds: float) -> str | None:
    """Kill the command shortly after its n-th line; return that line, None where it ended before."""
    with road.start(*road.build) as process:
        assert process.stderr is not None
        for number, line in enumerate(process.stderr, start=1):
            if number == lines:
                time.sleep(delay_seconds)
                process.send_signal(signal.SIGKILL)
                return line.strip()
    return None


def sealed(road: Road) -> dict[str, int]:
    """Modification times of everything sealed so far."""
    return {
        str(path.relative_to(road.store)): path.stat().st_mtime_ns
        for folder in ("variants", "runs", "audits", "corpora")
        for path in (road.store / folder).rglob("manifest.json")
        if ".staging-" not in str(path)
    }


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(SOME_POINTS, id="two"),
        pytest.param(EVERY_POINT, id="thirteen", marks=pytest.mark.slow),
    ],
)
def test_killed_at_many_points_the_same_command_completes_what_is_missing(
    points: tuple[int, ...], tmp_path: Path
) -> None:
    road = make_road(tmp_path, RECIPES, items_a_slice=5)
    killed = []
    for number, lines in enumerate(points):
        before = sealed(road)
        killed.append(kill_after(road, lines, delay_seconds=0.15 * (number % 4)))
        after = sealed(road)
        assert before.items() <= after.items(), f"sealed work was done again: {killed}"
    assert len([point for point in killed if point]) >= len(points) - len(points) // 4, killed

    before = sealed(road)
    finished = road.run(*road.build, "--json")
    assert finished.returncode in (0, 11), finished.stderr
    assert before.items() <= sealed(road).items()
    assert leftovers(road.store) == []
    assert sorted(road.identifiers.values()) == road.passing(finished.stdout)

    require_ended(road.store)


@pytest.mark.slow
def test_two_builds_of_the_same_thing_at_once_share_their_work(tmp_path: Path) -> None:
    road = make_road(tmp_path, ("Q8_0", "Q2_K"), items_a_slice=5)
    both = [road.start(*road.build) for _ in range(2)]
    outputs = [process.communicate(timeout=900) for process in both]
    codes = [process.returncode for process in both]
    assert codes[0] == codes[1] and codes[0] in (0, 10, 11), outputs
    assert leftovers(road.store) == []
    assert len(list((road.store / "variants").glob("*/manifest.json"))) == 2
    with sqlite3.connect(road.store / "mlflow.db") as database:
        runs = database.execute("select count(*) from runs").fetchone()
    assert runs == (2,)
    versions = list(road.identifiers.values())
    assert len(set(versions)) == len(versions), versions
