"""The unit for systemd and the compose file, as far as they can be held to anything without running them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.project import PROJECT

LEASES = "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"
SLOWEST_END_SECONDS = 60


def systemd_unit() -> str:
    text = (PROJECT / "docs" / "operations.md").read_text()
    blocks = re.findall(r"^```ini\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return next(str(block) for block in blocks if "[Service]" in block)


def services() -> Any:
    return yaml.safe_load((PROJECT / "examples" / "service" / "compose.yaml").read_text())[
        "services"
    ]


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    program = shutil.which("true")
    unit = systemd_unit().replace("/srv/quantgate/.venv/bin/quantgate", str(program))
    assert str(program) in unit
    file = tmp_path / "quantgate.service"
    for text, taken in ((unit, True), (unit.replace("KillMode=mixed", "KillMode=some"), False)):
        file.write_text(text)
        said = subprocess.run([verify, "verify", file], capture_output=True, text=True, check=False)
        assert (said.returncode == 0 and str(file) not in said.stderr) == taken, said.stderr


def test_whoever_stops_it_waits_until_children_have_ended() -> None:
    seconds = re.search(r"^TimeoutStopSec=(\d+)$", systemd_unit(), re.MULTILINE)
    assert seconds and int(seconds[1]) > SLOWEST_END_SECONDS
    assert services()["quantgate"]["stop_grace_period"] == "2m"


def test_leases_of_slots_outlive_prefects_container() -> None:
    prefect = services()["prefect"]
    home = prefect["environment"]["PREFECT_HOME"]
    assert prefect["environment"][LEASES].endswith(".filesystem")
    assert f"prefect:{home}" in prefect["volumes"]
