"""The catalogue of recipes, and recipe files of the user's own."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipelines.domain.errors import InputError
from pipelines.domain.recipe import (
    AutoAwqOptions,
    AutoGptqOptions,
    BackendOptions,
    BitsPerWeight,
    Calibration,
    CompressedTensorsOptions,
    Format,
    GgufOptions,
    KvCacheType,
    MeasuredMix,
    Numerics,
    Recipe,
    TensorTypeRule,
)
from pipelines.specs.loading import Spec, did_you_mean, load_yaml

CATALOGUE = Path(__file__).parent / "catalogue"

DEFAULT_RECIPES = ("Q8_0", "FP8_DYNAMIC", "Q4_K_M--imatrix", "NVFP4", "W4A16--gptq", "Q2_K")
"""What is built where nobody says what: one of each kind that is commonly shipped, and one to fear."""


class _NumericsSpec(Spec):
    weights: str
    activations: str
    kv_cache: str


class _BitsSpec(Spec):
    low: float = Field(gt=0, le=16)
    high: float = Field(gt=0, le=16)


class _TensorTypeSpec(Spec):
    pattern: str
    type: str


class _MixSpec(Spec):
    budget_bits_per_weight: float = Field(gt=0, le=16)
    candidates: tuple[str, ...] = Field(min_length=2)


class _GgufSpec(Spec):
    backend: Literal["llamacpp"]
    file_type: str
    tensor_types: tuple[_TensorTypeSpec, ...] = ()
    mix: _MixSpec | None = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if self.tensor_types and self.mix:
            raise ValueError("tensor_types and mix exclude each other")
        return self

    def options(self) -> GgufOptions:
        """Return the domain object."""
        return GgufOptions(
            file_type=self.file_type,
            tensor_types=tuple(TensorTypeRule(**rule.model_dump()) for rule in self.tensor_types),
            mix=MeasuredMix(**self.mix.model_dump()) if self.mix else None,
        )


class _CompressedTensorsSpec(Spec):
    backend: Literal["llmcompressor"]
    scheme: str | None = None
    modifier: Literal["QuantizationModifier", "GPTQModifier", "AWQModifier"]
    targets: tuple[str, ...] = ("Linear",)
    ignore: tuple[str, ...] = ("lm_head",)
    group_size: int | None = Field(default=None, gt=0)
    actorder: Literal["static", "weight"] | None = None
    dampening_fraction: float | None = Field(default=None, gt=0, lt=1)
    smoothing_strength: float | None = Field(default=None, ge=0, le=1)
    kv_cache: Literal["fp8"] | None = None

    @model_validator(mode="after")
    def _quantizes_something(self) -> Self:
        if self.scheme is None and self.kv_cache is None:
            raise ValueError("name a scheme, or a kv_cache, or both")
        return self

    def options(self) -> CompressedTensorsOptions:
        """Return the domain object."""
        return CompressedTensorsOptions(**self.model_dump())


class _AutoAwqSpec(Spec):
    backend: Literal["autoawq"]
    group_size: int = Field(default=128, gt=0)

    def options(self) -> AutoAwqOptions:
        """Return the domain object."""
        return AutoAwqOptions(**self.model_dump())


class _AutoGptqSpec(Spec):
    backend: Literal["autogptq"]
    group_size: int = Field(default=128, gt=0)
    dampening_fraction: float = Field(default=0.01, gt=0, lt=1)

    def options(self) -> AutoGptqOptions:
        """Return the domain object."""
        return AutoGptqOptions(**self.model_dump())


_OptionsSpec = Annotated[
    _GgufSpec | _CompressedTensorsSpec | _AutoAwqSpec | _AutoGptqSpec,
    Field(discriminator="backend"),
]


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
    options: _OptionsSpec
    kv_cache: KvCacheType = "f16"

    def recipe(self) -> Recipe:
        """Return the domain object."""
        options: BackendOptions = self.options.options()
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
            kv_cache=self.kv_cache,
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
