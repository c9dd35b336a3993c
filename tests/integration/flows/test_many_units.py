"""Thousands of units in one flow: every record arrives, and nobody is told to come back later."""

import json
import time
import urllib.request
from pathlib import Path

import pytest

from quantgate.flows.orchestration.server.api import prefect_api
from tests.benchmarks.units import TARGET_SECONDS, flow_of

pytestmark = [pytest.mark.integration, pytest.mark.slow]

UNITS = 5001
PATIENCE_SECONDS = 300.0


def test_five_thousand_units_leave_their_records_and_no_trouble(tmp_path: Path) -> None:
    with prefect_api(tmp_path / "store") as url:
        cost = flow_of(UNITS, url, tmp_path / "store")
        assert cost.said == ""
        assert (cost.parent + cost.server) / UNITS <= TARGET_SECONDS
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (records := _completed(url)) < UNITS + 1 and time.monotonic() < deadline:
            time.sleep(1)  # Prefect's records lag
        assert records == UNITS + 1


def _completed(url: str) -> int:
    body = {"task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    asked = urllib.request.Request(
        f"{url}/task_runs/count",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return int(answer.read())
