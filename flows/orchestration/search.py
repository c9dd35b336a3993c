"""The flow of a search: one variant after the other is built, asked and judged until none is left to try."""

from prefect import flow
from prefect.futures import PrefectFuture, wait

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.searching.trying import SearchProgress, progress
from quantgate.flows.orchestration import steps, tasks
from quantgate.flows.orchestration.asking import base_asked
from quantgate.flows.orchestration.runners.processes import pool_ends_too
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.interruption import INTERRUPTION
from quantgate.pipelines.process.signals import children_end_first
from quantgate.pipelines.variants.variant import PlannedVariant


def search_plan(plan_file: str, build: str) -> JsonObject:  # noqa: ARG001 - `build` names the run
    """Try what a plan's search asks for; nothing is registered. Returns what passed and what did not."""
    with children_end_first(), pool_ends_too():  # Prefect's own handlers wait for children
        return _search(steps.open_build(plan_file), plan_file)


def _search(local: LocalBuild, plan_file: str) -> JsonObject:
    _ = local.suite_runs  # what no context holds is said before anything is built
    before = SearchProgress(passed={}, upcoming=None)
    while (after := progress(local)).upcoming is not None and not _is_stuck(before, after):
        upcoming = after.upcoming
        INTERRUPTION.check(upcoming.identifier)
        work = _time if after.to_time else _try
        work(local, plan_file, local.plan.builder(upcoming), upcoming)
        before = after
    return {"passed": dict(progress(local).passed)}


def _is_stuck(before: SearchProgress, after: SearchProgress) -> bool:
    """Whether a unit left neither a result nor an error: it is not tried for ever."""
    return (after.upcoming, after.to_time) == (before.upcoming, before.to_time)


def _built(
    local: LocalBuild, plan_file: str, builder: PlannedVariant, variant: PlannedVariant
) -> PrefectFuture[JsonObject]:
    """Build a variant, and ask the base in its runtime before, unless that is done."""
    runtime = variant.recipe.runtime
    based = tasks.base.submit(plan_file, runtime)
    asked = base_asked(local, plan_file, runtime, based)
    return tasks.build.submit(plan_file, builder.identifier, wait_for=[asked], return_state=False)


def _time(
    local: LocalBuild, plan_file: str, builder: PlannedVariant, variant: PlannedVariant
) -> None:
    """Build one variant and time it beside its base; nothing else is under way."""
    built = _built(local, plan_file, builder, variant)
    unit = (plan_file, variant.identifier)
    wait([tasks.time_variant.submit(*unit, wait_for=[built], return_state=False)])


def _try(
    local: LocalBuild, plan_file: str, builder: PlannedVariant, variant: PlannedVariant
) -> None:
    """Build, audit, ask and judge one variant."""
    unit = (plan_file, variant.identifier)
    built = _built(local, plan_file, builder, variant)
    audited = tasks.audit.submit(*unit, wait_for=[built], return_state=False)
    answered = tasks.answer.submit(*unit, wait_for=[audited], return_state=False)
    wait([tasks.judge.submit(*unit, wait_for=[answered], return_state=False)])


# As `quantize`: other processes get the flow by the name of its function.
search = flow(name="search", flow_run_name="{build}")(search_plan)
