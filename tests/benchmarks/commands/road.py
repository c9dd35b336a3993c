"""The bundled example as a user builds it: its time, what our process and Prefect take of it, the second run.

Whole processes, one build in an empty store, and the same command again three times. Nobody else is compared
with: targets are times (docs/benchmarks.md).
"""

import os
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.flows.orchestration.server.state import ServerFolder
from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.files.store import Store
from tests.benchmarks.measuring.processes import used_by
from tests.support.project import EXAMPLE, PROJECT

BUILD_SECONDS, SERVER_SECONDS, AGAIN_SECONDS = 120.0, 6.0, 1.0
OVERHEAD_CPU_SECONDS, UNIT_CPU_SECONDS = 15.0, 0.3
AGAIN = 3
_LOOK_EVERY_SECONDS = 0.1
_READY = re.compile(r"Prefect server ready after (\d+) s")
_ENDED = re.compile(r"^[a-z].*: .* done in \d+ s$", re.MULTILINE)
"""How a unit's end is told where there is no terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    """What a build took, in seconds by the clock and of the processor; `said` is what it told."""

    seconds: float
    parent: float
    server: float
    said: str


def run(store: Store) -> None:
    """Print each figure beside its target."""
    built = _build(store.root)
    units = len(_ENDED.findall(built.said))
    overhead = built.parent + built.server
    _show("the example's build, eight variants", built.seconds, "s", BUILD_SECONDS)
    _show("our process and Prefect's server, a build", overhead, "CPU-s", OVERHEAD_CPU_SECONDS)
    _show(f"the same, each of {units} units", overhead / units, "CPU-s", UNIT_CPU_SECONDS)
    print(f"  of these our process {built.parent:.1f} and the server {built.server:.1f} CPU-s")
    for seconds in _READY.findall(built.said):
        _show("start of Prefect's server, beside planning", float(seconds), "s", SERVER_SECONDS)
    again = [_again(store.root) for _ in range(AGAIN)]
    _show("the same command again", _median(again, 0), "s", AGAIN_SECONDS)
    _show("the same command again, processor time", _median(again, 1), "CPU-s", None)
    seconds, used = _again(store.root, {"BENCHMARK": "another environment"}, planned=True)
    _show("again in another environment, which is planned", seconds, "s", None)
    _show("the same, processor time", used, "CPU-s", None)


def _show(what: str, measured: float, unit: str, target: float | None) -> None:
    verdict = f"  target {target:g}  {'ok' if measured <= target else 'MISS'}" if target else ""
    print(f"{what:60} {measured:7.2f} {unit}{verdict}", flush=True)


def _build(store: Path) -> _Built:
    """Build the example.

    Raises:
        WorkerError: where it fails.
    """
    told = store.with_name(f"{store.name}.log")
    began = time.monotonic()
    with told.open("w") as log:
        parent = subprocess.Popen(
            _COMMAND, cwd=PROJECT, env=_environment(store), stdout=log, stderr=log
        )
        own = served = 0.0
        while parent.poll() is None:
            time.sleep(_LOOK_EVERY_SECONDS)
            own = max(own, used_by(parent.pid, ended_children=False))
            served = max(served, sum(_server_used(store)))
    seconds, said = time.monotonic() - began, told.read_text()
    told.unlink()
    if parent.returncode:
        raise WorkerError(f"the example's build ended with {parent.returncode}: {said[-2000:]}")
    return _Built(seconds=seconds, parent=own, server=served, said=said)


def _server_used(store: Path) -> Iterator[float]:
    """Yield the processor time of a store's Prefect server and of its keeper, as far as they live."""
    record = ServerFolder.of(store).record()
    for process in (record.server_pid, record.keeper_pid) if record else ():
        yield used_by(process, ended_children=False)


def _again(
    store: Path, variables: Mapping[str, str] | None = None, *, planned: bool = False
) -> tuple[float, float]:
    """Return what the same command takes once more: seconds by the clock, and of the processor.

    Raises:
        WorkerError: where it was planned and should not have been, or the other way round.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    ran = subprocess.run(
        _COMMAND,
        cwd=PROJECT,
        env=_environment(store) | dict(variables or {}),
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ("resolving" in ran.stderr) != planned:
        raise WorkerError(f"the command should{'' if planned else ' not'} plan: {ran.stderr}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, used


def _median(pairs: Sequence[tuple[float, float]], place: int) -> float:
    return statistics.median(pair[place] for pair in pairs)


def _environment(store: Path) -> dict[str, str]:
    """Return the environment of a command in this store, which asks no server of others."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("MLFLOW_", "PREFECT_", "QUANTGATE_"))
    }
    return kept | {"QUANTGATE_STORE": str(store)}


_COMMAND = [sys.executable, "-m", "quantgate", "quantize", "--build", str(EXAMPLE / "build.yaml")]
