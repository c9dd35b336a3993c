"""The fault matrix: what happens when something is killed, signalled or full, at every stage; `make faults`.

One build of one recipe a fault, struck at one stage after the other by the same command. After each strike
nothing that was sealed is made again; at the end the command completes, every passing variant is one version,
no process, lock or temporary file is left. The table of all strikes is printed at the end.
"""

import os
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from quantgate.flows.orchestration.server.state import ServerFolder, is_locked
from tests.integration.flows.test_killed import sealed
from tests.support.builds.processes import processes_of
from tests.support.builds.road import Road, leftovers, make_road

pytestmark = [pytest.mark.integration, pytest.mark.slow]

STAGES = (
    "resolving", "assembling corpus", "Prefect server ready", "load base:", "compare", "reference 1/",
    "build:", "audit: support", "answer:", "register:",
)  # fmt: skip
"""How the lines begin at which is struck, in the order of a build."""
ENDED_SECONDS = 45.0
ENDINGS = {signal.SIGKILL: {-9}, signal.SIGTERM: {143}, signal.SIGHUP: {129}, signal.SIGINT: {130}}


@dataclass(frozen=True)
class Strike:
    """A fault at a stage, and how the command ended."""

    fault: str
    stage: str
    code: int | None


STRIKES: list[Strike] = []


@pytest.fixture(scope="module", autouse=True)
def table(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print what was struck when all is over."""
    yield
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n\n{'fault':<22}{'stage':<24}exit code")
        for each in STRIKES:
            print(f"{each.fault:<22}{each.stage:<24}{each.code}")
        print(f"{len(STRIKES)} strikes")


@pytest.fixture
def road(tmp_path: Path) -> Road:
    """A build of one recipe with a temporary folder of its own."""
    (tmp_path / "tmp").mkdir()
    made = make_road(tmp_path, ("Q8_0",), items_a_slice=4)
    return replace(made, variables=(("TMPDIR", str(tmp_path / "tmp")),))


def struck(road: Road, fault: str, stage: str, strike: Callable[[int], None]) -> Strike:
    """Run the command and strike when its line for a stage comes; the code is None where it never came."""
    before = sealed(road)
    said = []
    with road.start(*road.build, "--anyway") as process:
        assert process.stderr is not None and process.stdout is not None
        came = False
        for line in process.stderr:
            said.append(line)
            if not came and line.startswith(stage) and " done in " not in line:
                came = True
                time.sleep(0.3)
                strike(process.pid)
        code = process.wait()
    text = "".join(said)
    assert "Traceback" not in text, text
    assert before.items() <= sealed(road).items(), f"sealed work was done again:\n{text}"
    made = Strike(fault, stage, code if came else None)
    STRIKES.append(made)
    return made


def completes(road: Road) -> None:
    """Run the same command to its end: everything is there once, and nothing is left behind."""
    finished = road.run(*road.build, "--anyway", "--json")
    assert finished.returncode in (0, 11), finished.stderr
    assert leftovers(road.store) == []
    assert sorted(road.identifiers.values()) == road.passing(finished.stdout)
    deadline = time.monotonic() + ENDED_SECONDS
    while processes_of(road.store) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert processes_of(road.store) == "", "left running"
    held = [path for path in road.store.rglob("*.lock") if is_locked(path)]
    assert held == [], "locks are held by nobody that lives"
    left = [path.name for path in (road.folder / "tmp").iterdir()]
    assert left == [], "left in the temporary folder"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_command_is_signalled_at_every_stage(number: signal.Signals, road: Road) -> None:
    codes = {
        stage: struck(road, f"{number.name} command", stage, lambda pid: os.kill(pid, number)).code
        for stage in STAGES
    }
    hit = {stage: code for stage, code in codes.items() if code is not None}
    assert len(hit) >= 7, codes
    assert set(hit.values()) <= ENDINGS[number] | {0, 11}, codes
    completes(road)


def test_a_child_is_killed_at_every_stage_that_has_one(road: Road) -> None:
    for stage in STAGES[3:-1]:
        struck(road, "SIGKILL child", stage, lambda _: kill_newest(road, ".workers."))
    completes(road)


@pytest.mark.parametrize("which", ["server", "keeper"])
def test_prefects_server_is_killed_at_every_stage(which: str, road: Road) -> None:
    codes = [
        struck(road, f"SIGKILL Prefect {which}", stage, lambda _: kill_prefect(road, which)).code
        for stage in STAGES[3:]
    ]
    assert set(codes) <= {0, 11, None}, codes
    completes(road)


def test_the_disk_is_full_at_several_sizes(road: Road) -> None:
    for kilobytes in (64, 512, 4096):
        before = sealed(road)
        ended = subprocess.run(
            road.command(*road.build, "--anyway"),
            env=road.environment,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
            preexec_fn=limit_to(kilobytes),
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        assert ended.returncode in (0, 4, 5, 6, 11), ended.stderr
        assert before.items() <= sealed(road).items()
        STRIKES.append(Strike("files limited to", f"{kilobytes} kB", ended.returncode))
    completes(road)


def limit_to(kilobytes: int) -> Callable[[], None]:
    """Return what limits the size of files of a process: writing beyond it fails as on a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, resource.RLIM_INFINITY))

    return limit


def kill_newest(road: Road, what: str) -> None:
    """Kill the youngest process of a store whose command line holds a text, once there is one."""
    for _ in range(40):
        lines = [line for line in processes_of(road.store).splitlines() if what in line]
        if lines:
            os.kill(max(int(re.findall(r"\d+", line)[0]) for line in lines), signal.SIGKILL)
            return
        time.sleep(0.1)


def kill_prefect(road: Road, which: str) -> None:
    record = ServerFolder.of(road.store).record()
    if record is not None:
        os.kill(record.server_pid if which == "server" else record.keeper_pid, signal.SIGKILL)
