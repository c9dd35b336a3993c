"""How the base is asked: its runs side by side where there is room for two, and then what they show."""

from typing import Any

from prefect.futures import PrefectFuture

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.orchestration import tasks
from quantgate.pipelines.domain.values import JsonObject

Submitted = PrefectFuture[JsonObject]


def base_asked(local: LocalBuild, plan_file: str, runtime: str, compared: Submitted) -> Submitted:
    """Submit the base's runs in a runtime, once it was compared there; return what variants wait for.

    One worker makes them one after the other in a single unit, and stops where the first shows that nothing
    can pass. So does a server, which is started for the comparison and the first run together.
    """
    numbers = range(1, local.plan.policy.reference_runs + 1)
    room = local.settings.workers > 1 or local.settings.cluster is not None
    runs: list[Any] = []
    if room and len(numbers) > 1 and runtime not in local.plan.served:
        runs = [
            tasks.ask.submit(plan_file, runtime, number, wait_for=[compared], return_state=False)
            for number in numbers
        ]
    return tasks.reference.submit(
        plan_file, runtime, wait_for=[compared, *runs], return_state=False
    )
