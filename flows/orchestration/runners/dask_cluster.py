"""Units on the workers of a Dask cluster: one that is named, or worker processes of this machine."""

import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

import dask
from distributed import Client, LocalCluster, WorkerPlugin
from distributed.client import ClosedClientError
from distributed.scheduler import KilledWorker, NoValidWorkerError, NoWorkerError
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect_dask import DaskTaskRunner
from prefect_dask.task_runners import PrefectDaskFuture
from typing_extensions import override

from quantgate.flows.orchestration.runners.clusters import (
    ClusterKind,
    carried_variables,
    cluster_errors,
    require_answer,
)
from quantgate.flows.settings import Settings

_DASK = ClusterKind(
    name="Dask",
    packages=("dask", "distributed", "prefect_dask"),
    losses=(
        OSError,
        CancelledError,
        ClosedClientError,
        NoValidWorkerError,
        NoWorkerError,
    ),
    deaths=(KilledWorker,),
)
"""Comms that closed, and time limits, are OSErrors; what a lost scheduler had is cancelled."""


@contextmanager
def dask_runner(settings: Settings) -> Iterator["_DaskRunner"]:
    """Yield a runner on the cluster of the settings, or on as many processes here as there are workers.

    Raises:
        ServiceError: a named cluster does not answer, or one goes away.
        ToolchainError: Dask failed otherwise.
    """
    with cluster_errors(_DASK, settings.cluster):
        if settings.cluster is not None:
            require_answer(settings.cluster)
            yield _DaskRunner(address=_told(settings.cluster))
        else:
            with _workers_here(settings) as address:
                yield _DaskRunner(address=address)


@contextmanager
def _workers_here(settings: Settings) -> Iterator[str]:
    """Yield the address of a cluster of this machine, which ends with the block."""
    with (
        tempfile.TemporaryDirectory(
            prefix="quantgate-dask-", ignore_cleanup_errors=True
        ) as scratch,
        dask.config.set({"temporary-directory": scratch}),
        LocalCluster(
            n_workers=settings.workers,
            threads_per_worker=1,
            memory_limit=0,  # units tell what they take, and their children are not counted by Dask
            dashboard_address=None,
            local_directory=scratch,
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield str(cluster.scheduler_address)  # no more: the runner is sent along with units


def _told(address: str) -> str:
    """Have every worker of a cluster, also one that comes later, take our variables."""
    with Client(address, set_as_default=False) as client:
        client.register_plugin(_Variables(carried_variables()), name="quantgate-variables")
    return address


class _DaskFuture(PrefectDaskFuture[Any]):  # type: ignore[misc]  # an optional package's
    """A unit on the cluster; prefect-dask's own says nothing of one that was lost, as if it had ended."""

    @override
    def wait(self, timeout: float | None = None) -> None:
        """Wait for the unit's end.

        Raises:
            Exception: of `_DASK.losses` or its `deaths`, where the cluster lost it.
        """
        try:
            state = self._wrapped_future.result(timeout=timeout)
        except TimeoutError:
            if timeout is None:  # of a connection
                raise
            return
        if isinstance(state, State):
            self._final_state = state


class _DaskRunner(DaskTaskRunner):  # type: ignore[misc]  # an optional package's
    """Dask's runner, which tells what the cluster lost."""

    @override
    def submit(
        self,
        task: Any,
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: Any = None,
    ) -> Any:
        """Submit a unit with those that it waits for."""
        future = super().submit(task, parameters, wait_for, dependencies)
        return _DaskFuture(task_run_id=future.task_run_id, wrapped_future=future.wrapped_future)


class _Variables(WorkerPlugin):  # type: ignore[misc]  # an optional package's
    """Sets variables in a worker when it starts, or when this is registered."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._variables = variables

    @override
    def setup(self, worker: Any) -> None:
        """Set them."""
        os.environ.update(self._variables)
