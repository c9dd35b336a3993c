"""Which recipes fit a checkpoint's shapes, what stands in for others, and what their names do not say."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from quantgate.flows.build.plan import runtimes_of
from quantgate.flows.wiring import Tools
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError, QuantgateError
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.specs.builds import BuildSpec
from quantgate.pipelines.specs.corpora_axis import NO_CORPUS, split_corpus
from quantgate.pipelines.specs.kv_caches import without_kv_suffix
from quantgate.pipelines.specs.recipes import catalogue

_SHOWN = 6


def fitting_recipes(
    recipes: Sequence[Recipe],
    checkpoint: Checkpoint,
    tools: Tools,
    spec: BuildSpec,
    say: Callable[[str], None],
) -> tuple[Recipe, ...]:
    """Return the recipes to plan: as they were asked for, or the nearest that fit where the build wants that.

    A recipe that nobody chose and that nothing stands in for is left out, unless none would be left; what
    others made never is. All of it is said, and so is what a fitting recipe makes of the checkpoint that its
    name does not say. Planning refuses whatever still does not fit.
    """
    kept: dict[str, Recipe] = {}
    fitting: list[Recipe] = []
    for recipe in recipes:
        backend = tools.backends[recipe.options.backend]
        misfits = backend.misfits(checkpoint, recipe)
        if not misfits:
            kept[recipe.name] = recipe
            fitting.append(recipe)
            continue
        if recipe.is_foreign or not (spec.nearest or spec.bundled):
            kept[recipe.name] = recipe
            continue
        other = None if _is_uncalibrated(recipe) else backend.nearest(checkpoint, recipe)
        if other is None and not spec.bundled:
            kept[recipe.name] = recipe
        elif other is None or (taken := _in_place_of(recipe, other)).name in kept:
            say(f"{recipe.name} is left out, for it does not fit: {misfits[0]}")
        else:
            say(f"{taken.name} is taken for {recipe.name}, which does not fit: {misfits[0]}")
            kept[taken.name] = taken
            fitting.append(taken)
    remarks: dict[str, list[str]] = defaultdict(list)
    for recipe in fitting:
        for remark in tools.backends[recipe.options.backend].remarks(checkpoint, recipe):
            remarks[remark].append(recipe.name)
    for remark, names in remarks.items():
        say(f"{', '.join(names)}: {remark}")
    return tuple(kept.values()) or tuple(recipes)


def refuse_unloadable(
    checkpoint: Checkpoint, recipes: Sequence[Recipe], source_runtime: str, tools: Tools
) -> None:
    """Refuse a build in whose runtimes the base cannot be asked, recipes that do not fit left out.

    Raises:
        CheckpointError: naming the tool, its version, and the recipes of the catalogue that fit.
    """
    fitting = [r for r in recipes if not tools.backends[r.options.backend].misfits(checkpoint, r)]
    if recipes and not fitting:
        return
    for name in runtimes_of(fitting, source_runtime):
        if why := tools.runtimes[name].refusal(checkpoint):
            error = CheckpointError(
                f"the base cannot be asked in {name}: {why}", where=checkpoint.source
            )
            raise with_fitting_recipes(error, checkpoint, tools)


def with_fitting_recipes(
    error: QuantgateError, checkpoint: Checkpoint, tools: Tools
) -> QuantgateError:
    """Add to a refusal which bundled recipes fit, where a tool cannot load the checkpoint at all."""
    if not any(refusal.why in error.what for refusal in checkpoint.tool_refusals):
        return error
    fitting = [
        recipe.name
        for recipe in catalogue()
        if (backend := tools.backends.get(recipe.options.backend)) is not None
        and not backend.misfits(checkpoint, recipe)
    ]
    shown = ", ".join(fitting[:_SHOWN])
    more = f" and {len(fitting) - _SHOWN} more" if len(fitting) > _SHOWN else ""
    step = f"of the bundled recipes fit {shown}{more}" if fitting else "no bundled recipe fits"
    error.next_step = f"{error.next_step}; {step}" if error.next_step else step
    return error


def _is_uncalibrated(recipe: Recipe) -> bool:
    """Whether it stands beside calibrated twins in a comparison of corpora, which nothing else can do."""
    return split_corpus(recipe.name)[1] == NO_CORPUS


def _in_place_of(recipe: Recipe, other: Recipe) -> Recipe:
    """Return another recipe with the runtime, KV cache and corpus that were asked of the first."""
    plain, _ = split_corpus(without_kv_suffix(recipe.name))
    return replace(
        other,
        name=other.name + recipe.name.removeprefix(plain),
        runtime=recipe.runtime,
        kv_cache=recipe.kv_cache,
        numerics=replace(other.numerics, kv_cache=recipe.numerics.kv_cache),
    )
