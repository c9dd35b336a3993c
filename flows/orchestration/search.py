"""The flow of a search: one variant after the other is built, asked and judged until none is left to try."""

from typing import Any

from prefect import flow
from prefect.futures import wait
from prefect.task_runners import ThreadPoolTaskRunner

from quantgate.flows.build.searching.trying import progress
from quantgate.flows.orchestration import tasks
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.interruption import INTERRUPTION
from quantgate.pipelines.process.signals import children_end_first
from quantgate.pipelines.variants.variant import PlannedVariant

_a_thread_each: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner()


@flow(name="search", flow_run_name="{build}", task_runner=_a_thread_each)  # type: ignore[arg-type]  # Prefect's own runner lacks its type variable
@children_end_first()  # Prefect's own handlers wait for children
def search(plan_file: str, build: str) -> JsonObject:  # noqa: ARG001 - `build` names the run
    """Try what a plan's search asks for; nothing is registered. Returns what passed and what did not."""
    local = tasks.open_build(plan_file)
    _ = local.suite_runs  # what no context holds is said before anything is built
    before: PlannedVariant | None = None
    while (upcoming := progress(local).upcoming) is not None and upcoming is not before:
        INTERRUPTION.check(upcoming.identifier)
        _try(plan_file, local.plan.builder(upcoming), upcoming)
        before = upcoming  # a unit that left neither a result nor an error is not tried for ever
    return {"passed": dict(progress(local).passed)}


def _try(plan_file: str, builder: PlannedVariant, variant: PlannedVariant) -> None:
    """Build, audit, ask and judge one variant; the base in its runtime before it, unless that is done."""
    runtime, unit = variant.recipe.runtime, (plan_file, variant.identifier)
    based = tasks.base.submit(plan_file, runtime)
    asked = tasks.reference.submit(plan_file, runtime, wait_for=[based], return_state=False)
    built = tasks.build.submit(plan_file, builder.identifier, wait_for=[asked], return_state=False)
    audited = tasks.audit.submit(*unit, wait_for=[built], return_state=False)
    answered = tasks.answer.submit(*unit, wait_for=[audited], return_state=False)
    wait([tasks.judge.submit(*unit, wait_for=[answered], return_state=False)])
