"""What units of a build need of the machine while they are under way: estimates."""

from dataclasses import replace

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.machine import Need
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.variants.variant import PlannedVariant

_BYTES_A_WEIGHT = 2
_RUN = (1.5, 1_000_000_000)
_COMPARE = (2.2, 1_500_000_000)
_BUILDS = {
    "llamacpp": (1.5, 600_000_000),
    "llmcompressor": (2.5, 1_200_000_000),
    "foreign": (0, 300_000_000),
}
_OTHER_BUILDS = (3.0, 1_200_000_000)
"""Peak memory as a multiple of the weights in 16 bits, and what libraries take of their own."""


def to_build(checkpoint: Checkpoint, planned: PlannedVariant) -> Need:
    """Estimate what a backend takes."""
    factor = _BUILDS.get(planned.recipe.options.backend, _OTHER_BUILDS)
    return Need(size_bytes=_estimate(checkpoint, factor), device=planned.toolchain.device)


def to_run(build: LocalBuild, planned: PlannedVariant) -> Need:
    """Estimate what a runtime takes to hold a variant, expanded to 16 bits."""
    identity = build.tools.runtimes[planned.recipe.runtime].identity(planned.recipe)
    return Need(size_bytes=_estimate(build.plan.checkpoint, _RUN), device=identity.device)


def to_ask_the_base(build: LocalBuild, runtime: str) -> Need:
    """Estimate what a runtime takes to hold the base.

    A server's base is compared with the checkpoint here, before the server is started.
    """
    checkpoint = build.plan.checkpoint
    device = build.tools.runtimes[runtime].identity(checkpoint.numerics).device
    need = Need(size_bytes=_estimate(checkpoint, _RUN), device=device)
    if runtime not in build.plan.served:
        return need
    return replace(need, size_bytes=max(need.size_bytes, to_compare(checkpoint).size_bytes))


def to_compare(checkpoint: Checkpoint) -> Need:
    """Estimate what the checkpoint itself takes in float32, which holds it against a runtime's base."""
    return Need(size_bytes=_estimate(checkpoint, _COMPARE), device="cpu")


def _estimate(checkpoint: Checkpoint, factor: tuple[float, int]) -> int:
    times, fixed_bytes = factor
    return int(times * checkpoint.parameter_count * _BYTES_A_WEIGHT) + fixed_bytes
