"""KV-cache types as an axis of a build: the same files, held against the reference once for each type.

Only llama.cpp has such types: keys and values are quantized as they are written to its cache. A reduced
cache is named in the recipe's name (`Q4_K_M--kv_q8_0`), in its numerics and in the verdict's runtime.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import KvCacheType, Recipe
from quantgate.pipelines.specs.loading import did_you_mean

KV_CACHE_TYPES: tuple[KvCacheType, ...] = get_args(KvCacheType)
KV_NUMERICS: dict[KvCacheType, str] = {"f16": "KV16", "q8_0": "KV8", "q4_0": "KV4"}
KV_CACHE_BLOCK = 32
"""Values of one head that share a scale (`QK8_0` and `QK4_0` in ggml's ggml-common.h)."""

_SUFFIX = "--kv_"
_NAME = re.compile(rf"(?P<plain>.+){_SUFFIX}(?P<type>{'|'.join(KV_CACHE_TYPES)})")


def without_kv_suffix(name: str) -> str:
    """Return a recipe's or variant's name without `--kv_<type>` at its end."""
    plain, _ = split_kv_suffix(name)
    return plain


def split_kv_suffix(name: str) -> tuple[str, KvCacheType | None]:
    """Split `Q4_K_M--kv_q8_0` into the plain name and the type; None where the name says none."""
    match = _NAME.fullmatch(name)
    if match is None:
        return name, None
    return match["plain"], next(kind for kind in KV_CACHE_TYPES if kind == match["type"])


def in_kv_cache(recipe: Recipe, kv_cache: KvCacheType) -> Recipe:
    """Return the recipe as it is judged with this cache; itself where it names a cache of its own.

    Raises:
        InputError: where its runtime has no choice of caches.
    """
    if kv_cache == "f16" or recipe.kv_cache != "f16":
        return recipe
    if recipe.runtime != "llamacpp":
        raise InputError(
            f"recipe {recipe.name} is judged in {recipe.runtime}, which has no KV-cache type {kv_cache}",
            next_step="add f16 to the KV-cache types to build it as it is, or leave the recipe out",
        )
    return replace(
        recipe,
        name=f"{recipe.name}{_SUFFIX}{kv_cache}",
        numerics=replace(recipe.numerics, kv_cache=KV_NUMERICS[kv_cache]),
        kv_cache=kv_cache,
    )


def over_kv_caches(
    recipes: Sequence[Recipe], kv_caches: Sequence[KvCacheType]
) -> tuple[Recipe, ...]:
    """Return every recipe in each type, recipe by recipe; the recipes themselves where no type is named.

    A recipe that names a cache of its own stays as it is, and so does one that has no choice if f16 is
    among the types.

    Raises:
        InputError: where a recipe without a choice is asked for in other types alone, or two would have
            one name.
    """
    derived: dict[str, Recipe] = {}
    for recipe in recipes:
        for kv_cache in _types_of(recipe, kv_caches):
            derived_recipe = in_kv_cache(recipe, kv_cache)
            if derived_recipe.name in derived:
                raise InputError(
                    f"recipe '{derived_recipe.name}' is asked for twice",
                    next_step="leave one of them out",
                )
            derived[derived_recipe.name] = derived_recipe
    return tuple(derived.values())


def _types_of(recipe: Recipe, kv_caches: Sequence[KvCacheType]) -> Sequence[KvCacheType]:
    stays = recipe.kv_cache != "f16" or (recipe.runtime != "llamacpp" and "f16" in kv_caches)
    return (recipe.kv_cache,) if stays or not kv_caches else kv_caches


def parse_kv_caches(text: str) -> tuple[KvCacheType, ...]:
    """Read `f16,q8_0` as the command line writes it.

    Raises:
        InputError: for a type that is none, or is named twice.
    """
    chosen: list[KvCacheType] = []
    for word in (part.strip() for part in text.split(",")):
        kv_cache = next((kind for kind in KV_CACHE_TYPES if kind == word), None)
        if kv_cache is None:
            raise InputError(
                f"there is no KV-cache type '{word}'{did_you_mean(word, KV_CACHE_TYPES)}",
                where="--kv",
                next_step=f"choose of {', '.join(KV_CACHE_TYPES)}",
            )
        if kv_cache in chosen:
            raise InputError(
                f"KV-cache type '{word}' is named twice",
                where="--kv",
                next_step="leave one of them out",
            )
        chosen.append(kv_cache)
    return tuple(chosen)
