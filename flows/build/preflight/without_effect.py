"""What of a build file or a command line has no effect, said before anything is paid for."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Calibration, Recipe
from quantgate.pipelines.domain.verdicts.waiver import BaseDivergenceWaiver, ContaminationWaiver
from quantgate.pipelines.specs.builds import BuildSpec


def say_without_effect(
    spec: BuildSpec, recipes: Sequence[Recipe], checkpoint: Checkpoint, say: Callable[[str], None]
) -> None:
    """Say which waivers have expired, that weights in full precision are not expanded, and what is idle.

    `recipes` are all that is built or judged beside the base, on each corpus and with each KV cache.
    """
    today = datetime.now(UTC).date()
    granted = spec.base_divergence_waiver
    waivers: list[ContaminationWaiver | BaseDivergenceWaiver] = [*spec.contamination_waivers]
    waivers += [granted] if granted else []
    for waiver in waivers:
        if not waiver.holds_on(today):
            say(f"a waiver has expired and lets nothing stand any more: {waiver}")
    expanded = checkpoint.expansion is not None or (
        checkpoint.origin is not None and checkpoint.origin.is_expanded
    )
    if spec.expansion and not expanded:
        say(
            f"{checkpoint.name} is in full precision: `expand` changes nothing, and is not recorded"
        )
    for sentence in (*_idle_keys(spec, recipes), *_idle_servers(spec, recipes)):
        say(sentence)


def _idle_keys(spec: BuildSpec, recipes: Sequence[Recipe]) -> Iterator[str]:
    if not recipes:
        keys = {
            "corpus": spec.corpora,
            "kv": spec.kv_caches,
            "contamination_waivers": spec.contamination_waivers,
            "nearest": spec.nearest,
            "speed": spec.speed,
        }
        if idle := [key for key, value in keys.items() if value]:
            yield f"there are no recipes, so that nothing comes of {', '.join(idle)}"
        return
    if spec.corpora and all(recipe.calibration is Calibration.NONE for recipe in recipes):
        yield "no recipe of this build is calibrated: nothing comes of its corpus"
    used = {recipe.kv_cache for recipe in recipes}
    if idle_types := [kv_cache for kv_cache in spec.kv_caches if kv_cache not in used]:
        yield (
            "no recipe is judged with another KV cache than its own: nothing comes of "
            f"{', '.join(idle_types)}"
        )


def _idle_servers(spec: BuildSpec, recipes: Sequence[Recipe]) -> Iterator[str]:
    base = spec.judge_in[:1] if not recipes else ()
    used = {*base, *(recipe.runtime for recipe in recipes)}
    if idle := [server.name for server in spec.servers if server.name not in used]:
        yield f"nothing is judged in what `servers` calls {', '.join(idle)}"
