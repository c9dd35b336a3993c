"""Faults that strike a command at a stage.

Each stage of a command is struck once on one store: the next try goes on where the last one was struck, and
the last one completes. What has to hold after each stands in `afterwards`.
"""

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from quantgate.flows.progress.elsewhere import FOLDER
from quantgate.flows.progress.recorded import read_progress
from tests.support.builds.processes import workers_in
from tests.support.builds.road import Road, make_road
from tests.support.faults.afterwards import nothing_held, remade, sealed
from tests.support.faults.table import note
from tests.support.limits.memory import enter

STAGES = (
    "resolving", "assembling corpus", "load base:", "audit: base", "compare with the checkpoint:",
    "reference 1/", "build:", "audit: support", "audit: 1 ruler", "answer:", "register:",
)  # fmt: skip
"""How the lines begin at which is struck, in the order of a build."""
WITH_CHILDREN = (
    "load base:", "audit: base", "compare with the checkpoint:", "reference 1/", "build:", "audit: 1 ruler",
    "answer:",
)  # fmt: skip
_DELAY_SECONDS = 0.2
_CHILD_SECONDS = 30.0
"""How long a child is waited for: on busy cores a fork server imports for long before its first one."""

StrikeAt = Callable[[int], bool]
"""Strikes a command's process, or something beside it; False where there was nothing to strike."""


def small_road(folder: Path, *variables: tuple[str, str]) -> Road:
    """A build of one recipe on 18 items, which passes, with a temporary folder of its own."""
    made = make_road(folder, ("Q8_0",), items_a_slice=2)
    (folder / "policy.yaml").write_text("reference_runs: 1\nmax_break_rate: 0.5\n")
    (folder / "tmp").mkdir()
    return replace(made, variables=(("TMPDIR", str(folder / "tmp")), *variables))


def struck(road: Road, fault: str, stage: str, strike: StrikeAt) -> int | None:
    """Run the build and strike when the line of a stage comes; return the exit code.

    None where nothing was struck: that line never came, for its work is sealed, or nobody was there. Then the
    command is killed, so that the stages after this one are still to be done.
    """

    def strike_or_end(command: int) -> bool:
        hit = strike(command)
        if not hit:
            os.kill(command, signal.SIGKILL)
        return hit

    code, stages = struck_at_each(road, fault, (stage,), strike_or_end)
    return code if stages else None


def struck_at_each(
    road: Road, fault: str, stages: Sequence[str], strike: StrikeAt
) -> tuple[int, tuple[str, ...]]:
    """Run the build once and strike when the line of each stage comes; return its exit code and those stages.

    Nothing that was sealed is made again, no process and no lock is left, and what is said is no traceback.
    """
    before, said, hit = sealed(road), [], []
    with road.start(*road.build) as process:
        assert process.stderr is not None and process.stdout is not None
        for line in process.stderr:
            said.append(line)
            stage = next((each for each in stages if line.startswith(each)), None)
            if stage is None or stage in hit or " done in " in line:
                continue
            time.sleep(_DELAY_SECONDS)
            if strike(process.pid):
                hit.append(stage)
        said.append(process.stdout.read())
        code = process.wait()
    text = "".join(said)
    assert "Traceback" not in text, text
    assert remade(before, road) == [], f"sealed work was done again:\n{text}"
    nothing_held(road)
    for stage in hit:
        note(fault, stage, code, text)
    return code, tuple(hit)


def signalled(number: signal.Signals) -> StrikeAt:
    """Return what sends a signal to the command."""

    def strike(command: int) -> bool:
        os.kill(command, number)
        return True

    return strike


def child_signalled(road: Road, number: signal.Signals) -> StrikeAt:
    """Return what sends a signal to the youngest child that works for a command."""
    return _at_the_youngest(road, lambda child: os.kill(child, number))


def worker_killed(command: int) -> bool:
    """Kill one of the processes in which a command's units run."""
    listed = subprocess.run(
        ["ps", "-ww", "--ppid", str(command), "-o", "pid=,args="],
        capture_output=True,
        text=True,
        check=False,
    )
    workers = [line for line in listed.stdout.splitlines() if "multiprocessing.spawn" in line]
    if workers:
        os.kill(int(workers[-1].split()[0]), signal.SIGKILL)
    return bool(workers)


def unit_process_killed(road: Road) -> StrikeAt:
    """Return what kills a process of a cluster, one in which a unit of a road's build is under way."""

    def strike(_command: int) -> bool:
        for file in road.store.glob(f"plans/*/{FOLDER}/*.json"):
            pid = int(file.stem.rpartition("-")[2])
            if any(unit.ended_at is None for unit in read_progress(file).units):
                with suppress(ProcessLookupError):  # it was struck before
                    os.kill(pid, signal.SIGKILL)
                    return True
        return False

    return strike


def child_starved(road: Road) -> StrikeAt:
    """Return what lets the youngest child of a store have no more memory than it has: it is refused more."""

    def starve(child: int) -> None:
        resource.prlimit(child, resource.RLIMIT_AS, (1 << 20, 1 << 20))

    return _at_the_youngest(road, starve)


def child_confined(road: Road, group: Path) -> StrikeAt:
    """Return what puts the youngest child into a control group of hardly any memory: the kernel kills it."""
    return _at_the_youngest(road, lambda child: enter(group, child))


def _at_the_youngest(road: Road, strike: Callable[[int], None]) -> StrikeAt:
    def at(_command: int) -> bool:
        child = youngest(road)
        with suppress(ProcessLookupError):  # it ended just now
            if child is not None:
                strike(child)
                return True
        return False

    return at


def youngest(road: Road) -> int | None:
    """Return the youngest child that works for a command in a store, once there is one."""
    deadline = time.monotonic() + _CHILD_SECONDS
    while time.monotonic() < deadline:
        if workers := workers_in(road.store):
            return workers[-1].pid
        time.sleep(0.05)
    return None
