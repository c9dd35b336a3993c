"""What units of a build need of the machine while they are under way: estimates."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

from quantgate.flows.build.machine import Need
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.wiring import Tools
from quantgate.pipelines.audit.bench.bench import base_in
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.variants.variant import PlannedVariant

_BYTES_A_WEIGHT = 2
_RUN = (1.5, 1_000_000_000)
_COMPARE = (2.2, 1_500_000_000)
_OFFLOADING = "llmcompressor"
_BUILDS = {
    "llamacpp": (1.5, 600_000_000),
    _OFFLOADING: (2.5, 1_200_000_000),
    "foreign": (0, 300_000_000),
}
_OTHER_BUILDS = (3.0, 1_200_000_000)
"""Peak memory as a multiple of the weights in 16 bits, and what libraries take of their own."""
_LAYERS_AT_ONCE = 6
"""Weights, their new values, float32 copies and Hessians of a layer that is being quantized, in layers."""
_LAYER = re.compile(r".*?\.\d+\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitNeed:
    """What a step of a unit (a variant, or the base in a runtime) needs."""

    unit: str
    step: str
    need: Need


def unit_needs(plan: BuildPlan, tools: Tools) -> Iterator[UnitNeed]:
    """Yield each step that takes memory here; what a server answers may take another machine's."""

    def asked(unit: str, step: str, need: Need) -> UnitNeed:
        return UnitNeed(unit=unit, step=step, need=need)

    for name in plan.runtimes:
        yield asked(base_in(name), "compare", to_compare(plan.checkpoint))
        if name not in plan.served:
            yield asked(base_in(name), "answer", to_ask_the_base(plan, name, tools))
    for planned in plan.variants:
        unit = planned.identifier
        if plan.builder(planned) is planned:
            yield asked(unit, "build", to_build(plan, planned))
        if planned.recipe.runtime not in plan.served:
            yield asked(unit, "audit, answer", to_run(plan, planned, tools))


def to_build(plan: BuildPlan, planned: PlannedVariant, memory_bytes: int | None = None) -> Need:
    """Estimate what a backend takes; one that may read from disk takes what `memory_bytes` there are."""
    backend = planned.recipe.options.backend
    size = _estimate(plan.checkpoint, _BUILDS.get(backend, _OTHER_BUILDS))
    if _may_offload(plan, planned):
        least = _offloaded_bytes(plan.checkpoint)
        size = min(size, max(least, memory_bytes or least))
    return Need(size_bytes=size, device=planned.toolchain.device)


def resident_bytes(plan: BuildPlan, planned: PlannedVariant, memory_bytes: int) -> int | None:
    """Return how much of the base's weights a backend may keep in memory; None for all of them.

    `memory_bytes` is what all units may hold together. Only a plan with `offload` keeps less than all.
    """
    if not _may_offload(plan, planned):
        return None
    if _estimate(plan.checkpoint, _BUILDS[_OFFLOADING]) <= memory_bytes:
        return None
    return max(0, memory_bytes - _offloaded_bytes(plan.checkpoint))


def to_run(plan: BuildPlan, planned: PlannedVariant, tools: Tools) -> Need:
    """Estimate what a runtime takes to hold a variant, expanded to 16 bits."""
    identity = tools.runtimes[planned.recipe.runtime].identity(planned.recipe)
    return Need(size_bytes=_estimate(plan.checkpoint, _RUN), device=identity.device)


def to_ask_the_base(plan: BuildPlan, runtime: str, tools: Tools) -> Need:
    """Estimate what a runtime takes to hold the base.

    A server's base is compared with the checkpoint here, before the server is started.
    """
    device = tools.runtimes[runtime].identity(plan.checkpoint.numerics).device
    need = Need(size_bytes=_estimate(plan.checkpoint, _RUN), device=device)
    if runtime not in plan.served:
        return need
    return replace(need, size_bytes=max(need.size_bytes, to_compare(plan.checkpoint).size_bytes))


def to_compare(checkpoint: Checkpoint) -> Need:
    """Estimate what the checkpoint itself takes in float32, which holds it against a runtime's base."""
    return Need(size_bytes=_estimate(checkpoint, _COMPARE), device="cpu")


def _may_offload(plan: BuildPlan, planned: PlannedVariant) -> bool:
    """Whether a backend may read the base from disk: experts of mixtures are taken apart in memory."""
    backend = planned.recipe.options.backend
    return plan.offload and backend == _OFFLOADING and not plan.checkpoint.is_sparse


def _estimate(checkpoint: Checkpoint, factor: tuple[float, int]) -> int:
    times, fixed_bytes = factor
    return int(times * checkpoint.parameter_count * _BYTES_A_WEIGHT) + fixed_bytes


def _offloaded_bytes(checkpoint: Checkpoint) -> int:
    """Estimate what quantizing layer by layer takes while all weights lie on disk."""
    layers: Counter[str] = Counter()
    for tensor in checkpoint.tensors:
        layer = _LAYER.match(tensor.name)
        layers[layer.group() if layer else tensor.name] += prod(tensor.shape)
    largest = max(layers.values(), default=0)
    return _LAYERS_AT_ONCE * largest * _BYTES_A_WEIGHT + _BUILDS[_OFFLOADING][1]
