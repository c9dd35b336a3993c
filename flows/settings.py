"""Settings of this machine, from the environment: where the store is, how many threads, which services."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Literal, cast, get_args

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.store import Store, open_store
from quantgate.pipelines.files.tool_cache import tool_cache
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.control_group import ControlGroups
from quantgate.pipelines.process.endings.watching import hung_seconds
from quantgate.pipelines.process.memory import total_bytes
from quantgate.pipelines.sharing.kinds import SharedKinds
from quantgate.pipelines.sharing.opening import SHARED_VARIABLE

MEMORY_VARIABLE = "QUANTGATE_MEMORY"
ATTEST_VARIABLE = "QUANTGATE_ATTEST_WITH"
RUNNER_VARIABLE = "QUANTGATE_TASK_RUNNER"
CLUSTER_VARIABLE = "QUANTGATE_CLUSTER"
SHARED_LEASE_VARIABLE = "QUANTGATE_SHARED_LEASE"
SHARED_LIMIT_VARIABLE = "QUANTGATE_SHARED_LIMIT"
SHARED_BASES_VARIABLE = "QUANTGATE_SHARED_BASES"
TaskRunnerName = Literal["threads", "processes", "dask", "ray"]
"""Where units run: threads of the command's process, processes beside it, or the workers of a cluster."""

_LEASE_SECONDS, _SHORTEST_LEASE_SECONDS = 120, 4
_SHARED_LIMIT_BYTES = int(50e9)
_GIGABYTES = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) ?(?:GB?)?", re.IGNORECASE)
LLAMA_CPP_SOURCE = "llama-cpp-python-0.3.36"
"""Name of the unpacked source distribution in the tool cache; `requirements/setup` puts it there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedStoreSettings:
    """A store that hosts share (docs/shared-store.md): where, how long leases hold, what is sent."""

    address: str = field(repr=False)
    lease_seconds: float
    kinds: SharedKinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that may differ between machines.

    `threads` is what each worker gets, `workers` how many run side by side; their product stays
    within the machine's cores. `memory_bytes` is what all of them may hold together. `tracking_uri` and
    `prefect_api` are None for the local default. `attest_key` is the private key by which every version that
    is registered is attested, None for none. `task_runner` says where units run; `cluster` is the address of
    a Dask or Ray cluster that runs, None for worker processes of this machine. `shared` is the store that
    this one shares with other hosts, None for none.
    """

    store: Store
    tool_cache: Path
    threads: int
    workers: int
    memory_bytes: int
    tracking_uri: str | None = field(repr=False)
    prefect_api: str | None = field(repr=False)
    hub: HubSettings
    attest_key: Path | None = None
    task_runner: TaskRunnerName = "threads"
    cluster: str | None = None
    shared: SharedStoreSettings | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read QUANTGATE_STORE, QUANTGATE_CACHE, QUANTGATE_THREADS, QUANTGATE_WORKERS, QUANTGATE_MEMORY,
        QUANTGATE_TASK_RUNNER, QUANTGATE_CLUSTER, MLFLOW_TRACKING_URI, PREFECT_API_URL, HF_ENDPOINT,
        QUANTGATE_ATTEST_WITH, and QUANTGATE_SHARED_STORE with _LEASE, _LIMIT and _BASES; check
        QUANTGATE_HUNG_MINUTES, which is read where children are.

        Raises:
            InputError: where a number is not one, or workers side by side would outnumber the cores.
        """
        cores = cores_here()
        threads = _count(environment, "QUANTGATE_THREADS", default=1 if cores <= 4 else 4)
        workers = _count(environment, "QUANTGATE_WORKERS", default=max(1, cores // threads))
        if workers > 1 and workers * threads > cores:
            raise InputError(
                f"{workers} workers of {threads} threads are more than the {cores} cores of this machine",
                where="QUANTGATE_WORKERS",
                next_step=f"set it to at most {max(1, cores // threads)}, or leave it out",
            )
        runner = _task_runner(environment)
        hung_seconds(environment)
        return cls(
            store=open_store(environment),
            tool_cache=tool_cache(environment),
            threads=threads,
            workers=workers,
            memory_bytes=_memory(environment),
            tracking_uri=environment.get("MLFLOW_TRACKING_URI") or None,
            prefect_api=environment.get("PREFECT_API_URL") or None,
            hub=_hub(environment),
            attest_key=_attest_key(environment),
            task_runner=runner,
            cluster=_cluster(environment, runner),
            shared=_shared(environment),
        )

    @property
    def converter(self) -> Path:
        """Folder with llama.cpp's own checkpoint converter."""
        return self.tool_cache / LLAMA_CPP_SOURCE / "converter"

    @property
    def server_versions(self) -> Path:
        """Where versions that servers' programs told are remembered."""
        return self.tool_cache / "server-versions.json"


def cores_here() -> int:
    """Return how many cores this process may use: its own, or a container's share where that is less."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    share = ControlGroups().cores()
    return cores if share is None else max(1, min(cores, ceil(share)))


def _task_runner(environment: Mapping[str, str]) -> TaskRunnerName:
    name = environment.get(RUNNER_VARIABLE) or "threads"
    if name in get_args(TaskRunnerName):
        return cast("TaskRunnerName", name)
    raise InputError(
        f"there is no task runner '{name}'",
        where=RUNNER_VARIABLE,
        next_step=f"one of {', '.join(get_args(TaskRunnerName))}",
    )


def _cluster(environment: Mapping[str, str], runner: TaskRunnerName) -> str | None:
    address = environment.get(CLUSTER_VARIABLE, "").strip()
    if address and runner not in ("dask", "ray"):
        raise InputError(
            f"names a cluster, and units run in {runner}",
            where=CLUSTER_VARIABLE,
            next_step=f"set {RUNNER_VARIABLE} to dask or ray, or leave it out",
        )
    return address or None


def _shared(environment: Mapping[str, str]) -> SharedStoreSettings | None:
    address = environment.get(SHARED_VARIABLE, "").strip()
    if not address:
        return None
    lease_seconds = _count(environment, SHARED_LEASE_VARIABLE, default=_LEASE_SECONDS)
    if lease_seconds < _SHORTEST_LEASE_SECONDS:
        raise InputError(
            f"leases of {lease_seconds} s would expire between two renewals",
            where=SHARED_LEASE_VARIABLE,
            next_step=f"set it to {_SHORTEST_LEASE_SECONDS} or more, or leave it out",
        )
    limit = _gigabytes(environment, SHARED_LIMIT_VARIABLE)
    return SharedStoreSettings(
        address=address,
        lease_seconds=lease_seconds,
        kinds=SharedKinds(
            largest_bytes=_SHARED_LIMIT_BYTES if limit is None else limit,
            bases=environment.get(SHARED_BASES_VARIABLE, "") not in ("", "0", "no"),
        ),
    )


def _hub(environment: Mapping[str, str]) -> HubSettings:
    endpoint = environment.get("HF_ENDPOINT")
    return HubSettings(endpoint=endpoint) if endpoint else HubSettings()


def _attest_key(environment: Mapping[str, str]) -> Path | None:
    text = environment.get(ATTEST_VARIABLE, "").strip()
    return Path(text).expanduser().absolute() if text else None


def _memory(environment: Mapping[str, str]) -> int:
    """Return what workers may hold together: all there is, unless the environment says otherwise.

    Where the system tells nothing of its memory, nothing is refused for want of it.
    """
    size = _gigabytes(environment, MEMORY_VARIABLE)
    return (total_bytes() or sys.maxsize) if size is None else size


def _gigabytes(environment: Mapping[str, str], name: str) -> int | None:
    """Return a size in bytes, None where the environment names none."""
    text = environment.get(name, "")
    if not text:
        return None
    written = _GIGABYTES.fullmatch(text)
    if written is None or float(written[1]) <= 0:
        raise InputError(
            f"'{text}' is not a size in gigabytes",
            where=name,
            next_step="write it like 16 or 7.5G, or leave it out",
        )
    return int(float(written[1]) * 1e9)


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not text.isdigit() or int(text) < 1:
        raise InputError(
            f"'{text}' is not a number of 1 or more",
            where=name,
            next_step="set it to a whole number, or unset it",
        )
    return int(text)
