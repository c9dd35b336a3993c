"""Deployments checked and given to a real Prefect server; what it cannot have is refused as a whole."""

import json
import os
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantgate.flows.orchestration.server.api import project_prefect_api
from quantgate.flows.orchestration.server.state import client_environment
from tests.support.builds.road import Road
from tests.support.project import PROJECT

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_a_file_is_deployed_when_the_server_can_have_all_of_it(tmp_path: Path) -> None:
    with project_prefect_api(tmp_path / "server") as url:
        road = replace(Road(folder=tmp_path, store=tmp_path / "store"), prefect_api=url)
        refused = road.run("deploy", str(PROJECT / "prefect.yaml"))
        assert refused.returncode == 2
        assert "there is no work pool 'quantgate'" in refused.stderr
        assert deployments(url) == set()
        subprocess.run(
            [
                sys.executable,
                "-m",
                "prefect",
                "work-pool",
                "create",
                "quantgate",
                "--type",
                "process",
            ],
            env=os.environ | client_environment(tmp_path / "server", url, os.environ),
            check=True,
            capture_output=True,
        )
        deployed = road.run("deploy", str(PROJECT / "prefect.yaml"))
        assert deployed.returncode == 0, deployed.stderr
        assert deployments(url) == {"releases", "build"}


def deployments(url: str) -> set[str]:
    asked = urllib.request.Request(
        f"{url}/deployments/filter", data=b"{}", headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        listed: list[dict[str, Any]] = json.load(answer)
    return {each["name"] for each in listed}
