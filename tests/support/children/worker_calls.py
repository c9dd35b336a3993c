"""Calls of the worker of tests (`tests.support.children.workers`), and what became of its process."""

import os
import time
from pathlib import Path

from quantgate.pipelines.process.calls import WorkerCall
from quantgate.pipelines.process.forking.families import WorkerFamily
from tests.support.children.workers import Order

FAMILY = WorkerFamily(names=("tests.support.",), imports=("tests.support.children.workers",))
"""What has the workers of tests forked."""


def call(
    tmp_path: Path,
    act: str,
    timeout_seconds: float = 30.0,
    module: str = "tests.support.children.workers",
) -> WorkerCall:
    return WorkerCall(
        module=module,
        request=Order(act=act, path=tmp_path / "trace"),
        log=tmp_path / "logs" / "worker.log",
        threads=1,
        timeout_seconds=timeout_seconds,
    )


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def wait_for(path: Path) -> int:
    for _ in range(200):
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")
