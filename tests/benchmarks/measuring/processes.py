"""Wall time and memory of child processes, with all that they start."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

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


def _cpu_seconds() -> float:
    """Return the processor time of this process and of its children that ended."""
    now = os.times()
    return now.user + now.system + now.children_user + now.children_system
