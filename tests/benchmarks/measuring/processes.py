"""Wall time and memory of child processes, with all that they start."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from quantgate.pipelines.process.forking.client import FORK_SERVERS
from quantgate.pipelines.process.forking.families import WorkerFamily
from tests.benchmarks.measuring.ratios import Cost
from tests.support.limits.watching import peaks


def cost_of(work: Callable[[], object]) -> Cost:
    """Return what the child processes that `work` waits for cost, and its own wall time.

    This process is left out: it measures. What work computes here (hashing what was written, say) counts as
    time. Memory is what Linux calls resident: pages of mapped files included, on both sides.
    """
    started, used = time.monotonic(), _cpu_seconds()
    with peaks() as highest:
        work()
    seconds, cpu_seconds = time.monotonic() - started, _cpu_seconds() - used
    return Cost(seconds=seconds, cpu_seconds=cpu_seconds, peak_bytes=highest.resident_bytes)


def cost_of_command(command: list[str], log: Path, environment: Mapping[str, str]) -> Cost:
    """Return what a program costs, with a log of what it says.

    Raises:
        CalledProcessError: where it fails; the log says why.
    """

    def run() -> None:
        with log.open("ab") as file:
            subprocess.run(
                command, check=True, stdout=file, stderr=file, env=os.environ | environment
            )

    return cost_of(run)


@contextmanager
def forked(*families: WorkerFamily) -> Iterator[None]:
    """Have workers of these families forked until the block ends, as in a build; no server lives before."""
    FORK_SERVERS.close()
    FORK_SERVERS.families = families
    try:
        yield
    finally:
        FORK_SERVERS.close()
        FORK_SERVERS.families = ()


def used_by(process: int, *, ended_children: bool) -> float:
    """Return the processor time of a living process, and of its children that ended; 0 where it is gone.

    These are the fields 14 and 15, and 16 and 17, of `proc(5)`.
    """
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0.0
    fields = text.rpartition(")")[2].split()[11:15]
    return sum(map(int, fields if ended_children else fields[:2])) / os.sysconf("SC_CLK_TCK")


def child_cpu_seconds() -> float:
    """Return the processor time of children that ended, fork servers and what they forked included."""
    now = os.times()
    servers = FORK_SERVERS.processes()
    forked_ones = sum(used_by(server.pid, ended_children=True) for server in servers)
    return now.children_user + now.children_system + forked_ones


def _cpu_seconds() -> float:
    """Return the processor time of this process and of its children that ended (`child_cpu_seconds`)."""
    now = os.times()
    return now.user + now.system + child_cpu_seconds()
