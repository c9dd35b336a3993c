"""Workers of a Dask or a Ray cluster, killed while they run a unit; and a cluster that is lost."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.builds.road import Road
from tests.support.faults.afterwards import COMPLETE, completes
from tests.support.faults.strikes import small_road, struck_at_each, unit_process_killed
from tests.support.project import PROJECT
from tests.support.servers.mlflow_served import free_port

pytestmark = [pytest.mark.integration, pytest.mark.slow]

LOST = 6
STAGES = ("load base:", "reference 1/", "audit: 1 ruler")


@pytest.mark.parametrize("runner", ["dask", "ray"])
def test_a_worker_of_a_cluster_is_killed_at_several_stages(runner: str, tmp_path: Path) -> None:
    pytest.importorskip(f"prefect_{runner}", reason="make setup-clusters")
    road = small_road(tmp_path)
    variables = (("QUANTGATE_TASK_RUNNER", runner), ("QUANTGATE_WORKERS", "2"))
    road = replace(road, variables=(*road.variables, *variables))
    fault = f"SIGKILL {runner.capitalize()}'s worker"
    code, stages = struck_at_each(road, fault, STAGES, unit_process_killed(road))
    assert code in COMPLETE
    assert len(stages) >= 2, stages
    completes(road)


@contextmanager
def dask_cluster(road: Road) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a scheduler and two workers at the address that a road names; yield the scheduler."""
    address = dict(road.variables)["QUANTGATE_CLUSTER"]
    worker = ("worker", address, "--nthreads", "1", "--memory-limit", "0", "--no-dashboard")
    with (road.folder / "cluster.log").open("wb") as log:
        started = [
            subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{words[0]}", *words[1:]],
                cwd=road.folder,
                env=os.environ | {"PYTHONPATH": str(PROJECT)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            for words in (
                ("scheduler", "--port", address.rpartition(":")[2], "--no-dashboard"),
                *(
                    (*worker, "--local-directory", str(road.folder / f"{number}"))
                    for number in (1, 2)
                ),
            )
        ]
    try:
        yield started[0]
    finally:
        for process in reversed(started):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_cluster_that_is_lost_is_told_as_that(tmp_path: Path) -> None:
    pytest.importorskip("prefect_dask", reason="make setup-clusters")
    alone = small_road(tmp_path)
    address = f"tcp://127.0.0.1:{free_port()}"
    variables = (("QUANTGATE_TASK_RUNNER", "dask"), ("QUANTGATE_CLUSTER", address))
    road = replace(alone, variables=(*alone.variables, *variables))
    with dask_cluster(road) as scheduler:

        def kill(_command: int) -> bool:
            os.killpg(scheduler.pid, signal.SIGKILL)
            return True

        code, stages = struck_at_each(road, "SIGKILL Dask's scheduler", ("reference 1/",), kill)
    assert (code, stages) == (LOST, ("reference 1/",))
    completes(alone)
