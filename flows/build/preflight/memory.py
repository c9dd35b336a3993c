"""Whether this machine's memory holds every unit of a build, and what to do where it does not."""

from quantgate.flows.build.needs import unit_needs
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.settings import MEMORY_VARIABLE, Settings
from quantgate.flows.wiring import Tools
from quantgate.pipelines.domain.errors import ToolchainError

_MOST_SHOWN = 4


def refuse_beyond_memory(plan: BuildPlan, tools: Tools, settings: Settings) -> None:
    """Refuse a build of which a unit would not fit into memory even alone.

    Raises:
        ToolchainError: naming the units with what they need, and what helps.
    """
    beyond = [
        (f"{each.step} {each.unit} needs about {each.need.size_bytes / 1e9:.1f} GB", each.step)
        for each in unit_needs(plan, tools)
        if each.need.size_bytes > settings.memory_bytes
    ]
    if not beyond:
        return
    shown = "".join(f"\n  {sentence}" for sentence, _ in beyond[:_MOST_SHOWN])
    more = f"\n  and {len(beyond) - _MOST_SHOWN} more" if len(beyond) > _MOST_SHOWN else ""
    steps = ["judge in a server on a machine that holds it (`servers:` and `judge_in:`)"]
    if not plan.offload and any(step == "build" for _, step in beyond):
        steps.append("let llm-compressor read layers from disk with --offload")
    steps.append(f"set {MEMORY_VARIABLE} in gigabytes if there is more than that")
    raise ToolchainError(
        f"this machine's memory of {settings.memory_bytes / 1e9:.1f} GB does not hold:{shown}{more}",
        where=plan.checkpoint.source,
        next_step="; or ".join(steps),
    )
