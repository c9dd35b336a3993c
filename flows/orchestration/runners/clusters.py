"""What workers of a cluster have to be told, and whether a cluster that somebody named is there."""

import os
import socket
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from quantgate.flows.orchestration.server.trouble import first_line, ungrouped
from quantgate.flows.settings import CLUSTER_VARIABLE
from quantgate.pipelines.domain.errors import (
    InputError,
    QuantgateError,
    ServiceError,
    ToolchainError,
)

_ANSWER_SECONDS = 5.0
_OF_EACH_MACHINE = (
    "QUANTGATE_CACHE",
    "QUANTGATE_THREADS",
    "QUANTGATE_WORKERS",
    "QUANTGATE_MEMORY",
    "QUANTGATE_DEVICE",
    "QUANTGATE_CLUSTER",
    "QUANTGATE_TASK_RUNNER",
)
_OF_PREFECT = ("prefect", "httpx", "httpcore")
_CARRIED = ("QUANTGATE_", "MLFLOW_", "PREFECT_", "HF_", "AWS_")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterKind:
    """A kind of cluster: the packages that speak to it, and what they raise where it or a worker is lost.

    `deaths` is what they raise where the cluster is there, and workers died each time that they tried a unit.
    """

    name: str
    packages: tuple[str, ...]
    losses: tuple[type[Exception], ...]
    deaths: tuple[type[Exception], ...]


def carried_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that workers need as the command has them: store, registry, hub and server.

    How much of a machine may be used, and where its tools lie, is each machine's own.
    """
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_CARRIED) and name not in _OF_EACH_MACHINE
    }


def require_answer(address: str) -> None:
    """See whether somebody listens where a cluster is said to be.

    Raises:
        InputError: the address is none.
        ServiceError: nobody does.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdigit():
        raise InputError(
            f"'{address[:80]}' is no address of a cluster",
            where=CLUSTER_VARIABLE,
            next_step="write tcp://host:8786 for Dask, ray://host:10001 or host:6379 for Ray",
        )
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ServiceError(
            f"the cluster does not answer ({error})",
            where=address,
            next_step=f"start it, correct {CLUSTER_VARIABLE}, or unset it for workers of this machine",
            transient=True,
        ) from error


@contextmanager
def cluster_errors(cluster: ClusterKind, address: str | None) -> Iterator[None]:
    """Translate what a cluster's packages raise inside the block: they raise the same kinds as Prefect does.

    `address` is None for workers of this machine.

    Raises:
        ServiceError: the cluster went away, or did not start, or workers of it died; `transient`.
        ToolchainError: its packages failed otherwise, in their own words.
    """
    try:
        yield
    except QuantgateError:
        raise
    except Exception as error:
        causes = tuple(ungrouped(error))
        if not all(_raised_by(cause, cluster.packages) for cause in causes):
            raise
        where = address or "workers of this machine"
        for cause in causes:
            if isinstance(cause, cluster.deaths):
                raise ServiceError(
                    f"workers of {cluster.name}'s cluster died over a unit ({first_line(cause)})",
                    where=where,
                    next_step="give workers more memory, or run fewer units side by side, and run the same "
                    "command again: what is finished stays",
                    transient=True,
                ) from error
            if not isinstance(cause, cluster.losses):
                raise ToolchainError(
                    f"{cluster.name} failed: {type(cause).__name__}: {first_line(cause)}",
                    where=where,
                    next_step="see what its logs say, or take another task runner (QUANTGATE_TASK_RUNNER); "
                    "what is finished stays",
                ) from error
        raise ServiceError(
            f"{cluster.name}'s cluster went away ({first_line(causes[0])})",
            where=where,
            next_step="run the same command again, with the cluster there: what is finished stays",
            transient=True,
        ) from error


def _raised_by(error: Exception, packages: Sequence[str]) -> bool:
    """Whether a cluster's package was the last on the way to an error: Prefect calls it, and is called."""
    modules = [
        str(frame.f_globals.get("__name__", "")).partition(".")[0]
        for frame, _ in traceback.walk_tb(error.__traceback__)
    ]
    last = next((name for name in reversed(modules) if name in (*packages, *_OF_PREFECT)), None)
    return last in packages
