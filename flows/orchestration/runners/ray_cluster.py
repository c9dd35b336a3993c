"""Units on the workers of a Ray cluster: one that is named, or worker processes of this machine."""

import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import ray
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.utilities.collections import visit_collection
from prefect_ray import RayTaskRunner
from prefect_ray.task_runners import PrefectRayFuture
from ray.exceptions import (
    GetTimeoutError,
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RaySystemError,
    RpcError,
    WorkerCrashedError,
)
from typing_extensions import override

from quantgate.flows.orchestration.runners.clusters import (
    ClusterKind,
    carried_variables,
    cluster_errors,
    require_answer,
)
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import ServiceError, ToolchainError

_SMALLEST_OBJECT_STORE_BYTES = 80 * 1024 * 1024
"""What Ray takes at least; units send each other small manifests alone."""

_FOLDER = "quantgate-ray-"
_RANDOM_CHARACTERS = 8
_SOCKET = "/session_2026-12-01_22-58-28_375043_4194304/sockets/plasma_store"
_LONGEST_SOCKET = 107
"""Bytes that a socket's path may have (unix(7), `sun_path` without its last)."""
_SHORT = "/tmp"

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

_RAY = ClusterKind(
    name="Ray",
    packages=("ray", "prefect_ray"),
    losses=(
        OSError,
        LocalRayletDiedError,
        NodeDiedError,
        ObjectLostError,
        RayActorError,
        RaySystemError,
        RpcError,
    ),
    deaths=(WorkerCrashedError, OutOfMemoryError),
)

_waited_for: ContextVar[tuple[Any, ...]] = ContextVar("waited for", default=())
"""What the unit that is being submitted waits for. Not in the runner: that is sent along with units."""


@contextmanager
def ray_runner(settings: Settings) -> Iterator[RayTaskRunner[Any]]:
    """Yield a runner on the cluster of the settings, or on as many processes here as there are workers.

    Raises:
        ServiceError: a named cluster does not answer, or one goes away.
        ToolchainError: none could be started here, or Ray failed otherwise.
    """
    with cluster_errors(_RAY, settings.cluster), _driver(settings):
        yield _RayRunner()


@contextmanager
def _driver(settings: Settings) -> Iterator[None]:
    """Be Ray's driver, on a cluster that is named or one of this machine, for the time of a block."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    options: dict[str, Any] = {
        "namespace": "prefect",
        "runtime_env": {"env_vars": carried_variables()},
        "log_to_driver": False,
        "logging_level": logging.CRITICAL,
    }
    if settings.cluster is not None:
        require_answer(settings.cluster)
        with _connected(settings.cluster, options):
            yield
        return
    with tempfile.TemporaryDirectory(
        prefix=_FOLDER, dir=_room_for_sockets(tempfile.gettempdir()), ignore_cleanup_errors=True
    ) as folder:
        options |= {
            "num_cpus": settings.workers,
            "include_dashboard": False,
            "object_store_memory": _SMALLEST_OBJECT_STORE_BYTES,
            "_temp_dir": folder,
        }
        with _connected(None, options):
            yield


def _room_for_sockets(temporary: str) -> str:
    """Return the temporary folder, or one with a shorter path where Ray could make no sockets in it."""
    length = len(os.fsencode(temporary)) + len("/") + len(_FOLDER) + _RANDOM_CHARACTERS
    return temporary if length + len(_SOCKET) <= _LONGEST_SOCKET else _SHORT


@contextmanager
def _connected(address: str | None, options: dict[str, Any]) -> Iterator[None]:
    """Be Ray's driver for the time of a block; its runner takes what is there."""
    try:
        _start(address, options)
    except Exception as error:  # Ray raises plain ones
        what = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if address is not None:
            raise ServiceError(
                f"Ray's cluster did not take us: {what}",
                where=address,
                transient=True,
                next_step="check RAY_ADDRESS, and that the cluster's Ray is of this version",
            ) from error
        raise ToolchainError(
            f"Ray did not start: {what}",
            where="QUANTGATE_TASK_RUNNER=ray",
            next_step="try again when the machine is less busy, or take another task runner",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _start(address: str | None, options: dict[str, Any]) -> None:
    """Connect, or start a cluster here; that has thirty seconds, which a busy machine may exceed once."""
    try:
        ray.init(address, **options)
    except Exception:  # noqa: BLE001 - plain ones are what Ray raises
        ray.shutdown()
        ray.init(address, **options)


class _RayFuture(PrefectRayFuture[Any]):  # type: ignore[misc]  # an optional package's
    """A unit on the cluster; prefect-ray's own takes one that was lost for one that ended."""

    @override
    def wait(self, timeout: float | None = None) -> None:
        """Wait for the unit's end.

        Raises:
            Exception: of `_RAY.losses` or its `deaths`, where the cluster lost it.
        """
        with suppress(GetTimeoutError):
            state = ray.get(self.wrapped_future, timeout=timeout)
            if isinstance(state, State):
                self._final_state = state


class _RayRunner(RayTaskRunner[Any]):  # type: ignore[misc]  # an optional package's
    """Ray's runner, whose units take no worker's place while they wait for others.

    prefect-ray has Ray wait for what is in a task's arguments, and the task itself for its `wait_for`, on a
    worker; with one process for each waiting unit a machine is full before anything computes.
    """

    @override
    def submit(
        self,
        task: Any,
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: Any = None,
    ) -> Any:
        """Submit a unit with those that it waits for."""
        waited_for: list[Any] = []

        def gather(each: Any) -> Any:
            if isinstance(each, PrefectRayFuture):
                waited_for.append(each.wrapped_future)
            return each

        visit_collection(list(wait_for or ()), visit_fn=gather, return_data=False)
        token = _waited_for.set(tuple(waited_for))
        try:
            future = super().submit(task, parameters, wait_for, dependencies)
            return _RayFuture(task_run_id=future.task_run_id, wrapped_future=future.wrapped_future)
        finally:
            _waited_for.reset(token)

    @override
    def _exchange_prefect_for_ray_futures(self, kwargs_prefect_futures: dict[str, Any]) -> Any:
        values, references = super()._exchange_prefect_for_ray_futures(kwargs_prefect_futures)
        return values, [*references, *_waited_for.get()]
