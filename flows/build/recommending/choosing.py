"""Recipes for a model on a device: what each would take, whether it fits, and what speaks for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from quantgate.flows.build.recommending.prior import ORDER, Device, Floor, Task, floor, reason
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.specs.recipes import catalogue
from quantgate.pipelines.variants.serving import ServingMemory, serving_memory
from quantgate.registry.questions.measured import MeasuredRecipe

GPU_ALLOWANCE_BYTES = 1_000_000_000
"""What a server's program is given on a GPU: an allowance, which nothing here measured."""
PRIOR, REGISTRY = "prior", "registry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for; `context_tokens` is that of one request at a time."""

    memory_bytes: int
    context_tokens: int
    device: Device
    task: Task | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One recipe. `basis` says what its place rests on: `registry` or `prior`; `why` says it in a sentence.

    `below_floor`: fewer bits than published evaluations support for this use.
    """

    recipe: str
    numerics: str
    format: str
    memory: ServingMemory
    fits: bool
    below_floor: bool
    basis: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """`first` is what to build first, None where nothing fits; `options` are all, best first."""

    model: str
    architecture: str
    parameter_count: int
    asked: Asked
    base: ServingMemory
    base_fits: bool
    floor: Floor
    first: str | None
    options: tuple[Option, ...]
    measured: tuple[MeasuredRecipe, ...]


def recommend(
    checkpoint: Checkpoint, asked: Asked, measured: Sequence[MeasuredRecipe]
) -> Recommendation:
    """Order the recipes of a device: what passed here first, then by the prior, what failed here last.

    `measured` are verdicts of this registry on the same architecture, the newest first.
    """
    least = floor(asked.task, asked.context_tokens, checkpoint.parameter_count)
    recipes = {recipe.name: recipe for recipe in catalogue()}
    listed = [recipes[name] for name in ORDER[asked.device]]
    listed += [
        recipes[each.recipe]
        for each in measured
        if each.recipe in recipes and recipes[each.recipe] not in listed
    ]
    options = [
        _option(checkpoint, recipe, asked, least, measured) for recipe in dict.fromkeys(listed)
    ]
    options.sort(key=lambda option: _rank(option, measured, asked.device))
    fitting = (option for option in options if option.fits and not _failed(option.recipe, measured))
    first = next(fitting, None)
    base = _served(checkpoint, None, asked)
    return Recommendation(
        model=checkpoint.source,
        architecture=checkpoint.architecture,
        parameter_count=checkpoint.parameter_count,
        asked=asked,
        base=base,
        base_fits=base.size_bytes <= asked.memory_bytes,
        floor=least,
        first=first.recipe if first else None,
        options=tuple(options),
        measured=tuple(measured),
    )


def _option(
    checkpoint: Checkpoint,
    recipe: Recipe,
    asked: Asked,
    least: Floor,
    measured: Sequence[MeasuredRecipe],
) -> Option:
    memory = _served(checkpoint, recipe, asked)
    verdict = _newest(recipe.name, measured)
    return Option(
        recipe=recipe.name,
        numerics=str(recipe.numerics),
        format=recipe.format.value,
        memory=memory,
        fits=memory.size_bytes <= asked.memory_bytes,
        below_floor=recipe.nominal_bits < least.bits,
        basis=REGISTRY if verdict else PRIOR,
        why=verdict.sentence if verdict else reason(recipe.name, recipe.nominal_bits, least),
    )


def _served(checkpoint: Checkpoint, recipe: Recipe | None, asked: Asked) -> ServingMemory:
    memory = serving_memory(checkpoint, recipe, asked.context_tokens)
    if asked.device is Device.CPU:
        return memory
    return ServingMemory(
        weights_bytes=memory.weights_bytes,
        cache_bytes=memory.cache_bytes,
        program_bytes=GPU_ALLOWANCE_BYTES,
    )


def _rank(
    option: Option, measured: Sequence[MeasuredRecipe], device: Device
) -> tuple[int, float, int]:
    """Passed here, the fastest that was timed first, then the smallest; as the prior has it; failed here."""
    verdict = _newest(option.recipe, measured)
    if verdict is not None and verdict.verdict == "pass":
        return 0, -_speed(verdict, device), option.memory.size_bytes
    if verdict is not None and verdict.verdict == "fail":
        return 3, 0.0, 0
    return (2 if option.below_floor else 1), 0.0, 0


def _speed(verdict: MeasuredRecipe, device: Device) -> float:
    """Return its share of its base's tokens a second on such a device; 0 where it was not timed there."""
    timed_here = (verdict.device == Device.CPU.value) == (device is Device.CPU)
    return float(verdict.speed_ratio) if timed_here and verdict.speed_ratio != "none" else 0.0


def _failed(recipe: str, measured: Sequence[MeasuredRecipe]) -> bool:
    verdict = _newest(recipe, measured)
    return verdict is not None and verdict.verdict == "fail"


def _newest(recipe: str, measured: Sequence[MeasuredRecipe]) -> MeasuredRecipe | None:
    return next((each for each in measured if each.recipe == recipe), None)
