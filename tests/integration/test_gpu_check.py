"""`make gpu-check` with the CPU standing in: the whole program as a GPU would run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.gpu.builds import RECIPES
from tests.benchmarks.gpu.steps import REDUCED_STEPS
from tests.support.project import PROJECT

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_every_step_measures_something_where_the_cpu_stands_in(tmp_path: Path) -> None:
    output = tmp_path / "check.json"
    subprocess.run(
        [
            *(sys.executable, "-m", "tests.benchmarks.gpu", "--device", "cpu"),
            *("--minutes", "30", "--items", "1", "--output", str(output)),
        ],
        cwd=PROJECT,
        env={name: text for name, text in os.environ.items() if not name.startswith("PREFECT_")},
        check=True,
    )
    written = json.loads(output.read_text())
    assert written["left_out"] == {}
    assert set(written["steps"]) == {step.name for step in REDUCED_STEPS}
    beside = written["steps"]["example on the CPU"]["device_beside_cpu"]
    assert set(RECIPES) <= set(beside)
    assert all(row["equal_answers"] == row["items"] for row in beside.values())  # one CPU, twice
