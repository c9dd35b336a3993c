"""Quants that others made, planned as recipes: found, looked into, hashed and named."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.foreign import ForeignFile, ForeignOptions, ServedTemplate
from quantgate.pipelines.domain.recipe import Calibration, Format, Recipe
from quantgate.pipelines.files.hashing import DigestMemory
from quantgate.pipelines.files.reading import is_folder
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.gguf.parts import read_all_headers
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.specs.foreign import HUB, ForeignPlace
from quantgate.pipelines.variants.foreign.candidates import Candidate
from quantgate.pipelines.variants.foreign.folders import look_into_folder, refuse_folder
from quantgate.pipelines.variants.foreign.gguf import look_into_gguf, no_quant
from quantgate.pipelines.variants.foreign.local import local_candidates
from quantgate.pipelines.variants.foreign.looks import ForeignLook
from quantgate.pipelines.variants.foreign.names import recipe_name, refuse_equal_names
from quantgate.pipelines.variants.foreign.on_hub import FetchFiles, HubShelf, whole_files

_RUNTIMES = {Format.GGUF: "llamacpp"}
_OTHER_RUNTIME = "transformers"
_AGAIN = "fetch it again, and compare its sha256 with that of where it came from"


def foreign_recipes(
    places: Sequence[ForeignPlace],
    base_name: str,
    *,
    store: Store,
    hub: HubSettings,
    say: Callable[[str], None],
    fetch: FetchFiles = whole_files,
) -> tuple[Recipe, ...]:
    """Return a recipe for every quant that the places name; `say` hears what of a pattern is none.

    Files are hashed once and remembered in the store; nothing in them is executed. What `fetch` leaves on a
    hub can be planned with and not be built with.

    Raises:
        InputError: where a place leads nowhere, a pattern to no quant, or two quants have one name.
        CheckpointError: where a quant is refused: damaged, truncated, of a kind that nothing here loads.
        ServiceError, ToolchainError: from the hub.
    """
    memory = DigestMemory(store.digest_memory)
    shelf = HubShelf(fetch=fetch, store=store, hub=hub, digest=memory.digest, say=say)
    recipes: list[Recipe] = []
    for place in places:
        remote = place.text.startswith(HUB)
        candidates = shelf.candidates(place.text) if remote else local_candidates(place.text)
        looks = [(c, look) for c in candidates if (look := _look(c, say)) is not None]
        if not looks:
            raise CheckpointError(
                "holds no quant that can be judged",
                where=place.text,
                next_step="name a quantized GGUF, or the folder of a quant",
            )
        for candidate, look in looks:
            name = _name(place, candidate, base_name, alone=len(looks) == 1)
            recipe = _recipe(name, candidate, look, memory)
            recipes.append(_served_with(place.template, recipe))
    refuse_equal_names((recipe.name, _options(recipe).source) for recipe in recipes)
    return tuple(recipes)


def _look(candidate: Candidate, say: Callable[[str], None]) -> ForeignLook | None:
    """Look into a candidate; None for what a pattern picked and is no quant."""
    if is_folder(candidate.path):
        refuse_folder(candidate.path, where=candidate.source)
        return look_into_folder(candidate.path)
    try:
        header = read_all_headers(candidate.path)
    except CheckpointError as error:
        error.next_step = error.next_step or _AGAIN
        raise
    reason = no_quant(header)
    if reason is None:
        return look_into_gguf(candidate.path, header)
    if not candidate.picked:
        raise CheckpointError(
            reason, where=candidate.source, next_step="name a quantized model, or leave it out"
        )
    say(f"{candidate.source} is left out: it {reason}")
    return None


def _name(place: ForeignPlace, candidate: Candidate, base_name: str, *, alone: bool) -> str:
    if place.name is None:
        return recipe_name(candidate.name, base_name)
    rest = recipe_name(candidate.name, base_name).partition("--")[2]
    return recipe_name(place.name if alone else f"{place.name}-{rest}", "")


def _recipe(name: str, candidate: Candidate, look: ForeignLook, memory: DigestMemory) -> Recipe:
    files = tuple(
        ForeignFile(
            path=path,
            name=called,
            sha256=candidate.digests.get(path.name) or memory.digest(path),
            size_bytes=path.stat().st_size,
        )
        for called, path in look.files.items()
    )
    return Recipe(
        name=name,
        description="Made by somebody else; how it was calibrated is unknown.",
        scheme=look.scheme,
        algorithm="unknown",
        format=look.format,
        numerics=look.numerics,
        runtime=_RUNTIMES.get(look.format, _OTHER_RUNTIME),
        calibration=Calibration.NONE,
        calibration_tokens=0,
        options=ForeignOptions(
            source=candidate.source,
            files=files,
            main_type=look.main_type,
            quantization=look.quantization,
            bits_per_weight=look.bits_per_weight,
            file_bits_per_weight=look.file_bits_per_weight,
            weights_bytes=look.weights_bytes,
            claims=look.claims,
        ),
    )


def _served_with(template: ServedTemplate, recipe: Recipe) -> Recipe:
    return replace(recipe, options=replace(_options(recipe), template=template))


def _options(recipe: Recipe) -> ForeignOptions:
    assert isinstance(recipe.options, ForeignOptions)
    return recipe.options
