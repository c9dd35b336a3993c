"""The catalogue of recipes, and how build files and command lines name them."""

import fnmatch
from functools import cache
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.specs.kv_caches import in_kv_cache, split_kv_suffix
from quantgate.pipelines.specs.loading import did_you_mean, load_yaml
from quantgate.pipelines.specs.recipe_files import RecipeSpec

CATALOGUE = Path(__file__).parent / "catalogue"

DEFAULT_RECIPES = ("Q8_0", "FP8_DYNAMIC", "Q4_K_M--imatrix", "NVFP4", "W4A16--gptq", "Q2_K")
"""What is built where nobody says what: one of each kind that is commonly shipped, and one to fear."""

SEARCHED_RECIPES = (
    "Q8_0",
    "Q6_K",
    "Q5_K_M",
    "Q4_K_M",
    "IQ4_XS",
    "Q3_K_M",
    "IQ3_M",
    "Q2_K",
)
"""What a search goes through where nobody says what: llama.cpp's file types by size, none of which has to
be calibrated. Mixes below and between them are."""

NO_RECIPES = "none"
"""How a command line asks for the checkpoint to be judged on its own."""

_WILDCARDS = frozenset("*?[")
_LISTED = "`quantgate recipes` lists what there is"


def load_recipe(path: Path) -> Recipe:
    """Read one recipe file.

    Raises:
        InputError: with every problem of the file.
    """
    return load_yaml(path, RecipeSpec).recipe()


@cache
def catalogue() -> tuple[Recipe, ...]:
    """Return the bundled recipes, largest first."""
    recipes = [load_recipe(path) for path in CATALOGUE.glob("*.yaml")]
    return tuple(sorted(recipes, key=lambda r: (-r.nominal_bits, r.name)))


def find_recipes(names: tuple[str, ...], folder: Path) -> tuple[Recipe, ...]:
    """Return recipes by what a build file or a command line calls them.

    That is a catalogue name, one with a KV-cache type (`Q4_K_M--kv_q8_0`), a pattern over the catalogue
    (`Q4*`; it adds what is not named already), or a recipe file, relative to `folder`.

    Raises:
        InputError: naming what is unknown and what is near, or what is asked for twice.
    """
    recipes: dict[str, Recipe] = {}
    for name in names:
        if name.endswith((".yaml", ".yml")):
            matches: tuple[Recipe, ...] = (load_recipe(folder / name),)
        elif _WILDCARDS & set(name):
            matches = tuple(r for r in _matching(name) if r.name not in recipes)
        else:
            matches = (_named(name),)
        for recipe in matches:
            if recipe.name in recipes:
                raise InputError(
                    f"recipe '{recipe.name}' is asked for twice",
                    next_step="leave one of them out, or give one another name",
                )
            recipes[recipe.name] = recipe
    return tuple(recipes.values())


def parse_recipes(text: str) -> tuple[str, ...]:
    """Read recipe names as the command line writes them: by commas, `none` for no recipe at all.

    Raises:
        InputError: where `none` does not stand alone.
    """
    names = tuple(name.strip() for name in text.split(","))
    if NO_RECIPES not in names:
        return names
    if len(names) > 1:
        raise InputError(
            "'none' stands alone", where="--recipes", next_step="leave one or the other out"
        )
    return ()


def _matching(pattern: str) -> tuple[Recipe, ...]:
    matches = tuple(r for r in catalogue() if fnmatch.fnmatchcase(r.name, pattern))
    if not matches:
        raise InputError(f"no recipe matches '{pattern}'", next_step=_LISTED)
    return matches


def _named(name: str) -> Recipe:
    by_name = {recipe.name: recipe for recipe in catalogue()}
    if name in by_name:
        return by_name[name]
    plain, kv_cache = split_kv_suffix(name)
    if plain in by_name and kv_cache is not None:
        return in_kv_cache(by_name[plain], kv_cache)
    raise InputError(
        f"unknown recipe '{name}'{did_you_mean(plain, list(by_name))}", next_step=_LISTED
    )
