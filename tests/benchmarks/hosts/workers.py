"""A build of eight variants on two workers against one: each worker has one core and one thread."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from quantgate.pipelines.files.store import Store
from tests.support.builds.road import Road, make_road
from tests.support.project import EXAMPLE, PROJECT

RECIPES = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "Q3_K_M", "IQ4_XS", "Q2_K")
ROUNDS = 2
TARGET = 0.6
_EVERY_ITEM = 1_000_000
_VERDICTS = (0, 10, 11)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCost:
    """Seconds by the clock and of the processor, children included, that a command took."""

    seconds: float
    cpu_seconds: float


def run(store: Store) -> None:
    """Print both sides of each round, and the ratio of their medians."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        print("two workers need two cores")
        return
    store.root.mkdir(parents=True, exist_ok=True)
    road = make_road(store.root, RECIPES, items_a_slice=_EVERY_ITEM)
    (road.folder / "policy.yaml").write_text((EXAMPLE / "policy.yaml").read_text())
    took: dict[int, list[BuildCost]] = {1: [], 2: []}
    for number in range(ROUNDS):
        for workers, costs in took.items():
            costs.append(built(road, store.root / f"{number}-{workers}", cores[:workers]))
            print(
                f"  {workers} workers: {costs[-1].seconds:.0f} s, {costs[-1].cpu_seconds:.0f} CPU-s",
                flush=True,
            )
    one, two = (median(each.seconds for each in costs) for costs in took.values())
    met = "ok" if two <= TARGET * one else "MISS"
    print(f"eight variants on two workers: {two / one:.2f} of one's time (target {TARGET}) {met}")


def built(road: Road, store: Path, cores: Sequence[int]) -> BuildCost:
    """Return what the whole command takes in an empty store, on so many cores and workers of one thread."""
    variables = (("QUANTGATE_WORKERS", str(len(cores))), ("QUANTGATE_THREADS", "1"))
    here = replace(road, store=store, variables=variables)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        here.command(*here.build),
        cwd=PROJECT,
        env=here.environment,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        capture_output=True,
        text=True,
        check=False,
    )
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in _VERDICTS:
        sys.exit(done.stderr)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return BuildCost(seconds=seconds, cpu_seconds=used)
