"""What units of a build need of the machine while they are under way: estimates."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.resources.machine import Need
from quantgate.pipelines.audit.bench.bench import base_in
from quantgate.pipelines.audit.bench.computing import computable
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions, Format, Recipe
from quantgate.pipelines.engines.expected import expected_size, scratch_bytes
from quantgate.pipelines.engines.memory import (
    MemoryNeed,
    answer_memory,
    audit_memory,
    build_memory,
    conversion_memory,
    highest,
    offloaded_build_memory,
    rulers_memory,
)
from quantgate.pipelines.process.devices.engines import torch_device
from quantgate.pipelines.variants.variant import PlannedVariant

COMPARE, ANSWER, BUILD, AUDIT = "compare", "answer", "build", "audit"
"""Steps of a unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitNeed:
    """What a step of a unit (a variant, or the base in a runtime) needs."""

    unit: str
    step: str
    need: Need


def unit_needs(build: LocalBuild) -> Iterator[UnitNeed]:
    """Yield each step that takes memory here; a server that runs already takes another's.

    One that is started answers in the step that audits, or holds the base against the checkpoint.
    """
    plan = build.plan
    for name in plan.runtimes:
        yield UnitNeed(unit=base_in(name), step=COMPARE, need=to_compare(build, name))
        if name not in plan.served:
            yield UnitNeed(unit=base_in(name), step=ANSWER, need=to_ask_the_base(build, name))
    for planned in plan.variants:
        unit = planned.identifier
        if plan.builder(planned) is planned:
            yield UnitNeed(unit=unit, step=BUILD, need=to_build(build, planned))
        yield UnitNeed(unit=unit, step=AUDIT, need=to_audit(build, planned))
        if planned.recipe.runtime not in plan.served:
            yield UnitNeed(unit=unit, step=ANSWER, need=to_answer(build, planned))


def to_build(build: LocalBuild, planned: PlannedVariant) -> Need:
    """Estimate what a backend takes; one that may read from the disk takes what memory there is."""
    checkpoint, recipe = build.plan.checkpoint, planned.recipe
    size = build_memory(checkpoint, recipe).size_bytes
    if _may_offload(build, planned):
        least = offloaded_build_memory(checkpoint, recipe).size_bytes
        size = min(size, max(least, build.settings.memory_bytes))
    written = expected_size(checkpoint, recipe).size_bytes + scratch_bytes(checkpoint, [recipe])
    return Need(size_bytes=size, device=planned.toolchain.device, disk_bytes=written)


def resident_bytes(build: LocalBuild, planned: PlannedVariant) -> int | None:
    """Return how much of the base's weights a backend may keep in memory; None for all of them.

    Only a plan with `offload` keeps less than all.
    """
    checkpoint, recipe = build.plan.checkpoint, planned.recipe
    memory = build.settings.memory_bytes
    if not _may_offload(build, planned) or build_memory(checkpoint, recipe).size_bytes <= memory:
        return None
    return max(0, memory - offloaded_build_memory(checkpoint, recipe).size_bytes)


def to_compare(build: LocalBuild, runtime: str) -> Need:
    """Estimate what holding the base in a runtime against the checkpoint itself takes.

    The checkpoint is computed on the CPU, before the base is loaded where the runtime computes.
    """
    device = build.tools.runtimes[runtime].identity(build.plan.checkpoint.numerics).device
    checkpoint, in_llamacpp = build.plan.checkpoint, _in_llamacpp(build, runtime)
    steps = [
        audit_memory(checkpoint, None, in_llamacpp=in_llamacpp),
        *_started(build, runtime, None),
    ]
    if in_llamacpp:
        steps.append(conversion_memory(checkpoint))
    if computed := computable(checkpoint, build.bench.memory):
        steps.append(computed.need)
    return _need(build, highest(*steps), device)


def to_ask_the_base(build: LocalBuild, runtime: str) -> Need:
    """Estimate what a runtime takes to answer with the base.

    A server's base is compared with the checkpoint here, before the server is started.
    """
    if runtime in build.plan.served:
        return to_compare(build, runtime)
    checkpoint = build.plan.checkpoint
    device = build.tools.runtimes[runtime].identity(checkpoint.numerics).device
    return _need(build, answering_memory(build, runtime, None), device)


def to_audit(build: LocalBuild, planned: PlannedVariant) -> Need:
    """Estimate what an audit takes: the variant in its own runtime, rulers before it, a server after it."""
    checkpoint, recipe = build.plan.checkpoint, planned.recipe
    looked = audit_memory(checkpoint, recipe, in_llamacpp=recipe.format is Format.GGUF)
    served = _started(build, recipe.runtime, recipe)
    device = build.tools.runtimes[recipe.runtime].identity(recipe).device
    if device == "cpu":
        device = torch_device()  # which emulates rulers, and looks at what a server is to load
    return _need(build, highest(looked, rulers_memory(checkpoint), *served), device)


def to_answer(build: LocalBuild, planned: PlannedVariant) -> Need:
    """Estimate what a runtime takes to answer with a variant."""
    recipe = planned.recipe
    device = build.tools.runtimes[recipe.runtime].identity(recipe).device
    return _need(build, answering_memory(build, recipe.runtime, recipe), device)


def answering_memory(build: LocalBuild, runtime: str, recipe: Recipe | None) -> MemoryNeed:
    """Estimate what answering the suite takes in a runtime: a variant, or the base without a recipe."""
    in_llamacpp = recipe.format is Format.GGUF if recipe else _in_llamacpp(build, runtime)
    held = build.held_at_once(runtime)
    return answer_memory(build.plan.checkpoint, recipe, held, in_llamacpp=in_llamacpp)


def to_time(build: LocalBuild, planned: PlannedVariant) -> Need:
    """Ask for all there is: nothing else is under way while a variant is timed."""
    device = build.tools.runtimes[planned.recipe.runtime].identity(planned.recipe).device
    return Need(size_bytes=sys.maxsize, device=device)


def _started(build: LocalBuild, runtime: str, recipe: Recipe | None) -> Iterator[MemoryNeed]:
    """Yield what a server takes that is started here: as its entry states, else as our own runtime would."""
    for server in build.plan.servers:
        if server.name != runtime or not server.command:
            continue
        if server.memory_gigabytes is not None:
            yield MemoryNeed(held_bytes=int(server.memory_gigabytes * 1e9))
            continue
        yield answering_memory(build, runtime, recipe)


def _need(build: LocalBuild, taken: MemoryNeed, device: str) -> Need:
    """Return a step's need; with `offload`, weights that memory does not hold come from the disk."""
    size = taken.size_bytes
    if build.plan.offload:
        size = min(size, max(taken.held_bytes, build.settings.memory_bytes))
    return Need(size_bytes=size, device=device)


def _in_llamacpp(build: LocalBuild, runtime: str) -> bool:
    """Whether llama.cpp computes, whoever calls it."""
    identity = build.tools.runtimes[runtime].identity(build.plan.checkpoint.numerics)
    return identity.kernels == "native"


def _may_offload(build: LocalBuild, planned: PlannedVariant) -> bool:
    """Whether a backend may read the base from disk: experts of mixtures are taken apart in memory."""
    by_llmcompressor = isinstance(planned.recipe.options, CompressedTensorsOptions)
    return build.plan.offload and by_llmcompressor and not build.plan.checkpoint.is_sparse
