"""Measured mixes that a search may try: planned before any answer is looked at, between recipes by size."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp, log

from quantgate.calibration.drawing.rendering import rendering_digest
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.wiring import Tools
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Format, GgufOptions, MeasuredMix, Recipe
from quantgate.pipelines.engines.expected import MixSizes, mix_sizes
from quantgate.pipelines.specs.recipes import catalogue
from quantgate.pipelines.variants.variant import PlannedVariant, plan_variant

_PATTERN = "mixed@2.7bpw"
"""The catalogue's mix whose candidates all mixes of a search have: they are measured once for all of them."""
_STEPS = (1 / 3, 2 / 3)
"""Where mixes stand between two sizes, by the logarithm."""
_LEAST_GAP = 1.08
"""How much larger one size has to be than the next for mixes between them to be worth a run of the suite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixPlanner:
    """Plans mixes that are calibrated, toolchained and judged as a planned GGUF variant of the build is."""

    plan: BuildPlan
    tools: Tools
    like: PlannedVariant
    pattern: Recipe
    sizes: MixSizes

    def between(self, upper_bytes: int, lower_bytes: int | None) -> Iterator[PlannedVariant]:
        """Yield mixes below one size and above another, the largest first; None goes down to the least.

        Nothing is yielded where the two are too near each other, or no mix is of such a size.
        """
        sizes = self.sizes
        least = sizes.beside_bytes + sizes.least_bits * sizes.weights / 8.0
        lower = least if lower_bytes is None else max(float(lower_bytes), least)
        if lower <= 0 or upper_bytes < _LEAST_GAP * lower:
            return
        for step in _STEPS:
            size = exp((1.0 - step) * log(upper_bytes) + step * log(lower))
            bits = sizes.bits_of(size)
            planned = self._planned(round(bits, 2)) if bits else None
            if planned is not None:
                yield planned

    def _planned(self, bits: float) -> PlannedVariant | None:
        options = self.pattern.options
        assert isinstance(options, GgufOptions) and options.mix is not None
        mix = MeasuredMix(budget_bits_per_weight=bits, candidates=options.mix.candidates)
        recipe = replace(
            self.pattern,
            name=f"mixed@{bits:.2f}bpw",
            description=f"Types assigned by what each does to the base on the corpus, {bits:.2f} bits.",
            numerics=replace(self.pattern.numerics, weights=f"W{bits:.2f}"),
            options=replace(options, mix=mix),
            runtime=self.like.recipe.runtime,
        )
        backend = self.tools.backends[options.backend]
        try:
            planned = plan_variant(
                self.plan.checkpoint,
                recipe,
                self.plan.corpus,
                backend,
                self.like.toolchain.threads,
            )
        except CheckpointError:
            return None  # a budget that its candidates cannot keep to
        return replace(planned, rendering=rendering_digest(self.plan.suite.template_variables))


def mix_planner(plan: BuildPlan, tools: Tools) -> MixPlanner | None:
    """Return what plans mixes of a build; None where it has no GGUF recipe or no corpus to measure on."""
    like = next((v for v in plan.variants if _is_built_gguf(v)), None)
    pattern = next(recipe for recipe in catalogue() if recipe.name == _PATTERN)
    if like is None or plan.corpus is None or not _fits(plan, tools, pattern):
        return None
    return MixPlanner(
        plan=plan,
        tools=tools,
        like=like,
        pattern=pattern,
        sizes=mix_sizes(plan.checkpoint, pattern),
    )


def _is_built_gguf(variant: PlannedVariant) -> bool:
    return variant.recipe.format is Format.GGUF and not variant.recipe.is_foreign


def _fits(plan: BuildPlan, tools: Tools, pattern: Recipe) -> bool:
    backend = tools.backends[pattern.options.backend]
    return not backend.misfits(plan.checkpoint, pattern)
