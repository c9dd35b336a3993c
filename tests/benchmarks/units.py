"""What Prefect costs a unit: CPU seconds of parent and server, in flows of units that do nothing."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantgate.flows.orchestration.running import QUIET
from quantgate.flows.orchestration.server.api import prefect_api
from quantgate.flows.orchestration.server.state import ServerFolder, client_environment
from quantgate.pipelines.files.store import Store
from tests.support.project import PROJECT

UNITS = (0, 300, 1000)
SETTLE_SECONDS = 20.0
"""Prefect's records lag so far behind."""
TARGET_SECONDS = 0.06
"""CPU seconds a unit, of parent and server together."""

FLOW = """
import logging, resource, sys
logging.raiseExceptions = False
from prefect import flow
from prefect.futures import wait
from quantgate.flows.orchestration.tasks import unit_task
from tests.benchmarks.units import nothing

task = unit_task("nothing {identifier}")(nothing)

def submit(count):
    first = task.submit("plan", "first")
    wait([task.submit("plan", str(n), wait_for=[first]) for n in range(count)] + [first])

flow(name="units")(submit)(int(sys.argv[1]))
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime)
"""


def nothing(plan_file: str, identifier: str) -> dict[str, str]:
    """Be a unit that does nothing."""
    return {"plan": plan_file, "unit": identifier}


def run(store: Store) -> None:
    """Print CPU seconds of parent and server for growing flows, and what one more unit costs."""
    with prefect_api(store.root) as url:
        record = ServerFolder.of(store.root).record()
        assert record is not None
        server = record.server_pid
        before: tuple[int, float, float] | None = None
        for count in UNITS:
            parent, served = _flow(count, url, store.root, server)
            print(f"{count:>5} units: parent {parent:.1f} CPU-s, server {served:.1f} CPU-s")
            if before is not None:
                units = count - before[0]
                each = (parent - before[1] + served - before[2]) / units
                print(f"      one more unit: {each:.3f} CPU-s (target {TARGET_SECONDS})")
            before = (count, parent, served)


def _flow(count: int, url: str, root: Path, server: int) -> tuple[float, float]:
    with _used(server) as used:
        ran = subprocess.run(
            [sys.executable, "-c", FLOW, str(count)],
            env=os.environ | client_environment(root, url, os.environ) | dict(QUIET),
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return float(ran.stdout.splitlines()[-1]), used[0]


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
