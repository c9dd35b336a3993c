"""The flow: reference runs once, and for each variant build, audit, answer, judge, register."""

from collections.abc import Mapping
from typing import Any

from prefect import allow_failure, flow
from prefect.futures import PrefectFuture, wait

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.orchestration import steps, tasks
from quantgate.flows.orchestration.asking import base_asked
from quantgate.flows.orchestration.runners.processes import pool_ends_too
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.process.signals import children_end_first
from quantgate.pipelines.variants.variant import PlannedVariant


def quantize_plan(plan_file: str, build: str) -> JsonObject:  # noqa: ARG001 - `build` names the run
    """Build, judge and register every variant of a plan, if any; returns where the report is."""
    with children_end_first(), pool_ends_too():  # Prefect's own handlers wait for children
        submit_units(steps.open_build(plan_file), plan_file)
        return tasks.report(plan_file)


def submit_units(local: LocalBuild, plan_file: str) -> None:
    """Submit every unit of a plan with those that it waits for, and wait for the last of them."""
    plan = local.plan
    _ = local.suite_runs  # what no context holds is said before anything is built
    bases = {name: tasks.base.submit(plan_file, name) for name in plan.runtimes}
    references = {name: base_asked(local, plan_file, name, bases[name]) for name in plan.runtimes}
    built = {
        variant.identifier: tasks.build.submit(
            plan_file,
            variant.identifier,
            wait_for=_promising(plan, variant, bases if plan.anyway else references),
            return_state=False,
        )
        for variant in plan.variants
        if plan.builder(variant) is variant
    }
    answered = {}
    for variant in plan.variants:
        unit = (plan_file, variant.identifier)
        ready = [built[plan.builder(variant).identifier], references[variant.recipe.runtime]]
        audited = tasks.audit.submit(*unit, wait_for=ready, return_state=False)
        answered[unit] = tasks.answer.submit(*unit, wait_for=[audited], return_state=False)
    together = plan.policy.family_wise != "none"
    all_tried = [allow_failure(answer) for answer in answered.values()] if together else []
    judged = {
        unit: tasks.judge.submit(*unit, wait_for=[answer, *all_tried], return_state=False)
        for unit, answer in answered.items()
    }
    timed = _timed(judged) if plan.speed else []
    registered = [
        tasks.register.submit(*unit, wait_for=[verdict, *timed], return_state=False)
        for unit, verdict in judged.items()
    ]
    wait([*bases.values(), *references.values(), *registered])


def _timed(judged: Mapping[tuple[str, str], PrefectFuture[JsonObject]]) -> list[Any]:
    """Have every judged variant timed once nothing else is left to do but registering."""
    all_judged = [allow_failure(verdict) for verdict in judged.values()]
    timed = [
        tasks.time_variant.submit(*unit, wait_for=[verdict, *all_judged], return_state=False)
        for unit, verdict in judged.items()
    ]
    return [allow_failure(unit) for unit in timed]


def _promising(
    plan: BuildPlan, variant: PlannedVariant, units: Mapping[str, PrefectFuture[JsonObject]]
) -> list[Any]:
    """Return the units that a build waits for: nothing is built that no runtime may judge.

    `units` of the base tell that, by runtime: its references, which also tell where nothing can pass; or, for
    a build that goes on anyway, its comparison alone, so that it builds while the references are asked.
    A file that several runtimes judge waits for all of them, and looks itself whether one is left.
    """
    judges = plan.judges(variant)
    if len(judges) == 1:
        return [units[name] for name in judges]
    return [allow_failure(units[name]) for name in judges]


# Other processes get the flow by the name of its function: a decorated one would have to be sent itself.
quantize = flow(name="quantize", flow_run_name="{build}")(quantize_plan)
