"""Units on the workers of a Ray cluster: one that is named, or worker processes of this machine."""

import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from prefect.futures import PrefectFuture
from prefect.utilities.collections import visit_collection
from prefect_ray import RayTaskRunner
from prefect_ray.task_runners import PrefectRayFuture
from typing_extensions import override

from quantgate.flows.orchestration.runners.clusters import carried_variables, require_answer
from quantgate.flows.settings import Settings

_SMALLEST_OBJECT_STORE_BYTES = 80 * 1024 * 1024
"""What Ray takes at least; units send each other small manifests alone."""

_waited_for: ContextVar[tuple[Any, ...]] = ContextVar("waited for", default=())
"""What the unit that is being submitted waits for. Not in the runner: that is sent along with units."""


@contextmanager
def ray_runner(settings: Settings) -> Iterator[RayTaskRunner[Any]]:
    """Yield a runner on the cluster of the settings, or on as many processes here as there are workers.

    Raises:
        ServiceError: a named cluster does not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    shared = {
        "runtime_env": {"env_vars": carried_variables()},
        "log_to_driver": False,
        "logging_level": logging.CRITICAL,
    }
    if settings.cluster is not None:
        require_answer(settings.cluster)
        yield _Runner(address=settings.cluster, init_kwargs=shared)
        return
    with tempfile.TemporaryDirectory(prefix="quantgate-ray-", ignore_cleanup_errors=True) as folder:
        here = {
            "num_cpus": settings.workers,
            "include_dashboard": False,
            "object_store_memory": _SMALLEST_OBJECT_STORE_BYTES,
            "_temp_dir": folder,
        }
        yield _Runner(init_kwargs=shared | here)


class _Runner(RayTaskRunner[Any]):  # type: ignore[misc]  # an optional package's
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
            return super().submit(task, parameters, wait_for, dependencies)
        finally:
            _waited_for.reset(token)

    @override
    def _exchange_prefect_for_ray_futures(self, kwargs_prefect_futures: dict[str, Any]) -> Any:
        values, references = super()._exchange_prefect_for_ray_futures(kwargs_prefect_futures)
        return values, [*references, *_waited_for.get()]
