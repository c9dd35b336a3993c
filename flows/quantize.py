"""The flow: reference runs once, and for each variant build, audit, answer, judge, register."""

from typing import Any

from prefect import allow_failure, flow
from prefect.futures import wait
from prefect.task_runners import ThreadPoolTaskRunner

from flows import tasks
from flows.settings import Settings
from pipelines.domain.values import JsonObject

_side_by_side: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(
    max_workers=Settings.from_environment().workers
)


@flow(name="quantize", flow_run_name="{build}", task_runner=_side_by_side)  # type: ignore[arg-type]  # Prefect's own runner lacks its type variable
def quantize(plan_file: str, build: str) -> JsonObject:  # noqa: ARG001 - `build` names the run
    """Build, judge and register every variant of a plan, if any; returns where the report is."""
    site = tasks.open_site(plan_file)
    plan, _ = site.plan, site.examination  # what no context holds is said before anything is built
    references = {name: tasks.reference.submit(plan_file, name) for name in plan.runtimes}
    built = {
        variant.identifier: tasks.build.submit(plan_file, variant.identifier)
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
    all_tried = [allow_failure(one) for one in answered.values()] if together else []
    last = [*references.values()]
    for unit, own in answered.items():
        judged = tasks.judge.submit(*unit, wait_for=[own, *all_tried], return_state=False)
        last.append(tasks.register.submit(*unit, wait_for=[judged], return_state=False))
    wait(last)
    return tasks.report(plan_file)
