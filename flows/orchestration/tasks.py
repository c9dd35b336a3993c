"""Prefect tasks: one call of a unit each, named so that a person can read the run.

A task takes the plan's file and a unit's identifier and returns a small JSON manifest. The truth is in
the store: a task that runs again finds its unit sealed. What fails for good is kept beside the plan, so
that the report can say it even when Prefect's own records are gone.
"""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict
from typing import ParamSpec

from prefect import Task, task
from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_table_artifact,
)
from prefect.cache_policies import NO_CACHE

from quantgate.flows.build import outcome, recorded_pages
from quantgate.flows.orchestration import steps
from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.domain.values import JsonObject

Inputs = ParamSpec("Inputs")

_TRIES_AFTER_THE_FIRST = 2
_SECONDS_BETWEEN_TRIES = (5.0, 20.0)


def _only_transient(_task: object, _run: object, state: object) -> bool:
    """Retry only what says that the same call may succeed later."""
    error = getattr(state, "data", None)
    error = getattr(error, "result", error)
    return isinstance(error, ServiceError) and error.transient


def unit_task(run_name: str) -> Callable[[Callable[Inputs, JsonObject]], Task[Inputs, JsonObject]]:
    """Make a function a task: never cached by Prefect, retried only for transient errors."""
    return task(
        name=run_name.split(" {")[0],
        task_run_name=run_name,
        cache_policy=NO_CACHE,
        retries=_TRIES_AFTER_THE_FIRST,
        retry_delay_seconds=list(_SECONDS_BETWEEN_TRIES),
        retry_condition_fn=_only_transient,
    )


# A task that another process runs is sent by name: its function has to be what its module calls so.
base = unit_task("base {runtime}")(steps.base)
ask = unit_task("ask {runtime} {number}")(steps.ask)
reference = unit_task("reference {runtime}")(steps.reference)
build = unit_task("build {identifier}")(steps.build)
audit = unit_task("audit {identifier}")(steps.audit)
answer = unit_task("answer {identifier}")(steps.answer)
judge = unit_task("judge {identifier}")(steps.judge)
time_variant = unit_task("time {identifier}")(steps.time_variant)
register = unit_task("register {identifier}")(steps.register)


@unit_task("report")
def report(plan_file: str) -> JsonObject:
    """Write the page and the JSON result."""
    build = steps.open_build(plan_file)
    result = outcome.write_report(build)
    recorded_pages.keep_pages(build, result)
    create_table_artifact(
        key="verdicts",
        table=[  # what was decided first: Prefect's pages cut columns off at the right
            {"identifier": row.identifier, "decision": row.decision, **asdict(row)}
            for row in result.rows
        ],
        description=f"Verdicts of {result.name}",
    )
    create_link_artifact(
        key="page",
        link=recorded_pages.page_address(build, result) or result.page.absolute().as_uri(),
        link_text=f"The page of {result.name}",
        description=f"On the machine that built: {result.page.absolute()}",
    )
    for chart in result.charts:
        drawn = b64encode(chart.read_bytes()).decode()
        create_image_artifact(
            key=chart.stem,
            image_url=f"data:image/svg+xml;base64,{drawn}",
            description=f"{chart.stem.replace('-', ' ').capitalize()}: {result.name}",
        )
    return {"page": str(result.page), "exit_code": result.exit_code}
