"""A hub that is cut off mid-file, a clock that jumps, memory that runs out, and two schedulers at once."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.builds.road import Road, orchestrated
from tests.support.faults.afterwards import COMPLETE, completes, nothing_held, remade, sealed
from tests.support.faults.clock import JumpingClock
from tests.support.faults.strikes import small_road, struck_at_each
from tests.support.faults.table import note
from tests.support.project import EXAMPLE
from tests.support.servers.hub import Fault, HubServer

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture
def road(tmp_path: Path) -> Road:
    """A small build."""
    return orchestrated(small_road(tmp_path))


def test_the_network_to_the_hub_is_cut_in_the_middle_of_a_file(road: Road) -> None:
    files = {path.name: path.read_bytes() for path in (EXAMPLE / "checkpoint").iterdir()}
    with HubServer() as hub:
        hub.publish("acme/support-llama", files)
        here = replace(road, variables=(*road.variables, ("HF_ENDPOINT", hub.endpoint)))
        build = (*road.build, "acme/support-llama")
        for cut in (1_000, 6_000_000):
            hub.faults["model.safetensors"] = Fault(times=50, cut_after_bytes=cut)
            ended = here.run(*build)
            assert ended.returncode not in (0, 1) and "Traceback" not in ended.stderr, ended.stderr
            nothing_held(road)
            note("hub cut off", f"{cut:,} bytes of a file", ended.returncode)
        hub.faults.clear()
        completes(here, "acme/support-llama")


def test_the_clock_jumps_back_and_forth_while_a_build_runs(road: Road) -> None:
    clock = JumpingClock(road.folder)
    here = replace(road, variables=(*road.variables, *clock.variables))
    jumps = iter((3, -3, 0, 40, -1, 3))

    def jump(_command: int) -> bool:
        clock.set(next(jumps) * 86_400)
        return True

    stages = ("resolving", "load base:", "reference 1/", "build:", "audit: support", "register:")
    code, hit = struck_at_each(here, "clock jumps by days", stages, jump)
    assert code in COMPLETE and len(hit) == len(stages)
    completes(road)


def start_watching(road: Road) -> "subprocess.Popen[str]":
    """Start a look of a scheduler."""
    return road.start("watch", "--once", "--list", str(road.folder / "releases.yaml"))


def test_two_schedulers_build_a_release_once(road: Road) -> None:
    (road.folder / "releases.yaml").write_text(
        f"follow:\n  - model: {EXAMPLE / 'checkpoint'}\n    build: build.yaml\n"
    )
    first = start_watching(road)
    assert first.stderr is not None
    for line in first.stderr:
        if line.startswith("reference 1/"):
            break
    second = start_watching(road)
    said = second.communicate(timeout=900)[1]
    assert second.returncode == 0 and "build:" not in said, said
    note("two schedulers", "both alive", second.returncode)
    first.kill()
    first.communicate(timeout=60)
    nothing_held(road)
    before = sealed(road)
    third = start_watching(road)
    said = third.communicate(timeout=900)[1]
    assert third.returncode in COMPLETE and "build:" in said, said
    assert remade(before, road) == []
    note("two schedulers", "the first is killed", third.returncode)
    completes(road)
