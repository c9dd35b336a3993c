"""A build as its sealed plan has it, for those who read what its units left.

Runs and audits are known by what they were made with, threads among it. A later command may find other ones
in its environment; what it looks for is what the plan made.
"""

from collections.abc import Iterator
from dataclasses import replace

from quantgate.flows.build.local_build import LocalBuild, unseen
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools
from quantgate.pipelines.audit.bench.bench import ShowUnit
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.files.records import to_json

_MOST_THREADS = 1024


def build_as_planned(
    plan: BuildPlan, settings: Settings, tools: Tools, show: ShowUnit = unseen
) -> LocalBuild:
    """Return the build of a plan, with the threads that its schedules have.

    They are those of today where no number gives a plan's schedules: a runtime's own have changed since.
    """
    runtimes = [tools.runtimes[name] for name in plan.runtimes if name in tools.runtimes]
    for threads in _candidates(plan, settings):
        schedules = {digest_of(to_json(runtime.schedule(threads))) for runtime in runtimes}
        if schedules and schedules <= set(plan.contracts):
            settings = replace(settings, threads=threads)
            break
    return LocalBuild(plan=plan, settings=settings, tools=tools, show=show)


def refuse_other_runtimes(plan: BuildPlan, tools: Tools) -> None:
    """Refuse to look for answers of runtimes that are other ones now: device, version or kernels.

    Raises:
        InputError: naming the runtime as it is now.
    """
    for name in plan.runtimes if plan.contracts else ():
        identity = tools.runtimes[name].identity(plan.checkpoint.numerics)
        if digest_of(to_json(identity)) not in plan.contracts:
            raise InputError(
                f"was judged in {name} as it was then; now it is {identity.engine}, {identity.version}, on "
                f"{identity.device}",
                where=plan.name,
                next_step="set QUANTGATE_DEVICE and install the versions as they were (`quantgate lineage` "
                "names them), or run the same build again",
            )


def _candidates(plan: BuildPlan, settings: Settings) -> Iterator[int]:
    """Yield numbers of threads, the likely ones first."""
    yield settings.threads
    yield from sorted({variant.toolchain.threads for variant in plan.variants})
    yield from range(1, _MOST_THREADS + 1)
