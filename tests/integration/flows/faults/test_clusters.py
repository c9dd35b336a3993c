"""Workers of a Dask or a Ray cluster, killed while they run a unit: the build goes on."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.faults.afterwards import COMPLETE, completes
from tests.support.faults.strikes import small_road, struck_at_each, unit_process_killed

pytestmark = [pytest.mark.integration, pytest.mark.slow]

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
