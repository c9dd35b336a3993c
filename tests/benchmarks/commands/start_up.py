"""How long the command takes before it does anything."""

import os
import subprocess
import sys
import time

from quantgate.pipelines.files.store import Store
from tests.benchmarks.measuring.ratios import show_ratio
from tests.support.project import PROJECT


def run(_store: Store) -> None:
    """Print the command's start-up against an interpreter that does nothing."""
    show_ratio("`quantgate --help` wall time / bare interpreter", start_up())


def start_up() -> float:
    """Return the command's start-up against an interpreter that does nothing, medians of seven."""
    ours = wall_seconds([sys.executable, "-m", "quantgate", "--help"])
    return ours / wall_seconds([sys.executable, "-c", "pass"])


def wall_seconds(command: list[str]) -> float:
    """Return the median wall time of seven runs."""
    times = []
    for _ in range(7):
        started = time.monotonic()
        subprocess.run(command, cwd=PROJECT, env=os.environ, capture_output=True, check=True)
        times.append(time.monotonic() - started)
    return sorted(times)[3]
