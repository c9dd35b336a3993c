"""The catalogue of recipes, and recipe files of the user's own."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pipelines.domain.errors import InputError
from pipelines.domain.recipe import (
    BackendOptions,
    BitsPerWeight,
    Calibration,
    CompressedTensorsOptions,
    Format,
    GgufOptions,
    Numerics,
    Recipe,
)
from pipelines.specs.loading import Spec, did_you_mean, load_yaml

CATALOGUE = Path(__file__).parent / "catalogue"


class _NumericsSpec(Spec):
    weights: str
    activations: str
    kv_cache: str


class _BitsSpec(Spec):
    low: float = Field(gt=0, le=16)
    high: float = Field(gt=0, le=16)


class _GgufSpec(Spec):
    backend: Literal["llamacpp"]
    file_type: str


class _CompressedTensorsSpec(Spec):
    backend: Literal["llmcompressor"]
    scheme: str
    modifier: Literal["QuantizationModifier", "GPTQModifier"]
    targets: tuple[str, ...] = ("Linear",)
    ignore: tuple[str, ...] = ("lm_head",)
    group_size: int | None = Field(default=None, gt=0)
    actorder: Literal["static", "weight"] | None = None
    dampening_fraction: float | None = Field(default=None, gt=0, lt=1)


class RecipeSpec(Spec):
    """A recipe file as a person writes it."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.]+(--[A-Za-z0-9_.]+)*$")
    description: str
    scheme: str
    algorithm: str
    format: Format
    numerics: _NumericsSpec
    runtime: Literal["llamacpp", "transformers"]
    calibration: Calibration = Calibration.NONE
    calibration_tokens: int = Field(default=0, ge=0)
    bits_per_weight: _BitsSpec
    options: Annotated[_GgufSpec | _CompressedTensorsSpec, Field(discriminator="backend")]

    def recipe(self) -> Recipe:
        """Return the domain object."""
        options: BackendOptions
        if isinstance(self.options, _GgufSpec):
            options = GgufOptions(file_type=self.options.file_type)
        else:
            options = CompressedTensorsOptions(**self.options.model_dump())
        return Recipe(
            name=self.name,
            description=self.description,
            scheme=self.scheme,
            algorithm=self.algorithm,
            format=self.format,
            numerics=Numerics(**self.numerics.model_dump()),
            runtime=self.runtime,
            calibration=self.calibration,
            calibration_tokens=self.calibration_tokens,
            bits_per_weight=BitsPerWeight(**self.bits_per_weight.model_dump()),
            options=options,
        )


def load_recipe(path: Path) -> Recipe:
    """Read one recipe file.

    Raises:
        InputError: with every problem of the file.
    """
    recipe = load_yaml(path, RecipeSpec).recipe()
    wants = recipe.calibration is not Calibration.NONE
    if wants and not recipe.calibration_tokens:
        raise InputError(
            f"calibration is '{recipe.calibration}' and calibration_tokens is 0", where=str(path)
        )
    if recipe.bits_per_weight.low > recipe.bits_per_weight.high:
        raise InputError("bits_per_weight: low is above high", where=str(path))
    return recipe


@cache
def catalogue() -> tuple[Recipe, ...]:
    """Return the bundled recipes, largest first."""
    recipes = [load_recipe(path) for path in CATALOGUE.glob("*.yaml")]
    return tuple(sorted(recipes, key=lambda r: (-r.bits_per_weight.high, r.name)))


def find_recipes(names: tuple[str, ...], folder: Path) -> tuple[Recipe, ...]:
    """Return recipes by catalogue name, or by path of a recipe file (relative to `folder`).

    Raises:
        InputError: naming what is unknown and what is near, or what is asked for twice.
    """
    known = {recipe.name: recipe for recipe in catalogue()}
    found: dict[str, Recipe] = {}
    for name in names:
        if name.endswith((".yaml", ".yml")):
            recipe = load_recipe(folder / name)
        elif name in known:
            recipe = known[name]
        else:
            raise InputError(
                f"unknown recipe '{name}'{did_you_mean(name, list(known))}",
                next_step="`quantgate recipes` lists what there is",
            )
        if recipe.name in found:
            raise InputError(f"recipe '{recipe.name}' is asked for twice")
        found[recipe.name] = recipe
    return tuple(found.values())
