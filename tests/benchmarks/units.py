"""What Prefect costs a unit in flows of units that do nothing: CPU seconds of parent and server, time."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quantgate.flows.orchestration.running import QUIET
from quantgate.flows.orchestration.server.api import prefect_api
from quantgate.flows.orchestration.server.state import ServerFolder, client_environment
from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.files.store import Store
from tests.support.project import PROJECT

UNITS = (0, 300, 1000, 5001, 10_000)
SETTLE_SECONDS = 20.0
"""Prefect's records lag so far behind."""
TARGET_SECONDS = 0.06
"""CPU seconds a unit, of parent and server together."""
TARGET_MILLISECONDS = 30.0
"""Time a unit, on a machine that does nothing else."""

FLOW = """
import logging, resource, sys, time
logging.raiseExceptions = False
from prefect import flow
from prefect.futures import wait
from quantgate.flows.orchestration.tasks import unit_task
from tests.benchmarks.units import nothing

task = unit_task("nothing {identifier}")(nothing)

def submit(count):
    first = task.submit("plan", "first")
    wait([task.submit("plan", str(n), wait_for=[first]) for n in range(count)] + [first])

began = time.monotonic()
flow(name="units")(submit)(int(sys.argv[1]))
took = time.monotonic() - began
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, took)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowCost:
    """What a flow took: CPU seconds of its process and of the server, and seconds by the clock.

    `said` is what the process wrote on standard error.
    """

    parent: float
    server: float
    seconds: float
    said: str


def nothing(plan_file: str, identifier: str) -> dict[str, str]:
    """Be a unit that does nothing."""
    return {"plan": plan_file, "unit": identifier}


def run(store: Store) -> None:
    """Print what growing flows take, and what one more unit costs."""
    with prefect_api(store.root) as url:
        before: tuple[int, FlowCost] | None = None
        for count in UNITS:
            cost = flow_of(count, url, store.root)
            print(
                f"{count:>6} units: parent {cost.parent:.1f} CPU-s, server {cost.server:.1f} CPU-s, "
                f"{cost.seconds:.1f} s; {len(cost.said.splitlines())} lines of trouble",
                flush=True,
            )
            if before is not None:
                units = count - before[0]
                spent = cost.parent + cost.server - before[1].parent - before[1].server
                each = 1000.0 * (cost.seconds - before[1].seconds) / units
                print(
                    f"       one more unit: {spent / units:.3f} CPU-s (target {TARGET_SECONDS}), "
                    f"{each:.1f} ms (target {TARGET_MILLISECONDS:.0f})",
                    flush=True,
                )
            before = (count, cost)


def flow_of(count: int, url: str, root: Path) -> FlowCost:
    """Run a flow of so many units that do nothing, against the store's own server."""
    record = ServerFolder.of(root).record()
    assert record is not None
    with _used(record.server_pid) as used:
        ran = subprocess.run(
            [sys.executable, "-c", FLOW, str(count)],
            env=os.environ | client_environment(root, url, os.environ) | dict(QUIET),
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
    if ran.returncode:
        raise WorkerError(f"a flow of {count} units failed: {ran.stderr[-2000:]}")
    parent, seconds = map(float, ran.stdout.split()[-2:])
    return FlowCost(parent=parent, server=used[0], seconds=seconds, said=ran.stderr)


@contextmanager
def _used(server: int) -> Iterator[list[float]]:
    """Yield a list that gets the server's CPU seconds: also what it writes for a while after the block."""
    used: list[float] = []
    before = _cpu_seconds(server)
    yield used
    time.sleep(SETTLE_SECONDS)
    used.append(_cpu_seconds(server) - before)


def _cpu_seconds(process: int) -> float:
    """Return what a process used so far, as Linux counts it."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
