"""Which of Prefect's task runners units get, by a setting."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from quantgate.flows.orchestration.runners.processes import end_with, process_errors
from quantgate.flows.settings import Settings, TaskRunnerName
from quantgate.pipelines.domain.errors import ToolchainError

Runner = TaskRunner[Any]


@contextmanager
def task_runner(settings: Settings) -> Iterator[Runner]:
    """Yield what runs units: a thread for every task, or workers that other processes are.

    A thread may wait for other units and stands in no other's way: what computes asks `Machine` for its
    place. A process, of this machine or of a cluster, gets a unit when those that it waits for are done.

    Raises:
        ToolchainError: the package of a cluster is not installed.
        ServiceError: a named cluster does not answer.
    """
    with _RUNNERS[settings.task_runner](settings) as runner:
        yield runner


@contextmanager
def _threads(_settings: Settings) -> Iterator[Runner]:
    yield ThreadPoolTaskRunner()


@contextmanager
def _processes(settings: Settings) -> Iterator[Runner]:
    with process_errors():
        yield ProcessPoolTaskRunner(
            max_workers=settings.workers, initializer=end_with, initargs=(os.getpid(),)
        )


@contextmanager
def _dask(settings: Settings) -> Iterator[Runner]:
    _require("prefect_dask", "dask")
    from quantgate.flows.orchestration.runners.dask_cluster import dask_runner

    with dask_runner(settings) as runner:
        yield runner


@contextmanager
def _ray(settings: Settings) -> Iterator[Runner]:
    _require("prefect_ray", "ray")
    from quantgate.flows.orchestration.runners.ray_cluster import ray_runner

    with ray_runner(settings) as runner:
        yield runner


def _require(package: str, name: str) -> None:
    if find_spec(package) is None:
        raise ToolchainError(
            f"{package} is not installed",
            where=f"QUANTGATE_TASK_RUNNER={name}",
            next_step="make setup-clusters",
        )


_RUNNERS: Mapping[TaskRunnerName, Callable[[Settings], Any]] = {
    "threads": _threads,
    "processes": _processes,
    "dask": _dask,
    "ray": _ray,
}
