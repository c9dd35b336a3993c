"""Rulers: every scheme has one, and it is what the scheme's name says."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.audit.rulers import main_type, ruler_of
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import (
    AutoAwqOptions,
    AutoGptqOptions,
    CompressedTensorsOptions,
    GgufOptions,
    MeasuredMix,
    Recipe,
    TensorTypeRule,
)
from quantgate.pipelines.domain.verdicts.ruler import Grid
from quantgate.pipelines.engines.llamacpp.types.table import FILE_TYPES
from quantgate.pipelines.specs.recipes import catalogue, find_recipes


def recipe(name: str) -> Recipe:
    return find_recipes((name,), Path())[0]


def gguf(**options: object) -> Recipe:
    return replace(recipe("Q2_K"), options=GgufOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("each", catalogue(), ids=lambda each: each.name)
def test_every_recipe_of_the_catalogue_has_a_ruler_that_rounds_something(each: Recipe) -> None:
    ruler = ruler_of(each)
    assert ruler.weights or ruler.kv_cache


@pytest.mark.parametrize("file_type", FILE_TYPES)
def test_every_file_type_of_llama_cpp_has_a_ruler(file_type: str) -> None:
    assert ruler_of(gguf(file_type=file_type)).weights is not None


@pytest.mark.parametrize(
    ("file_type", "expected"),
    [
        ("Q4_K_M", "Q4_K"),
        ("IQ3_M", "IQ3_S"),
        ("IQ2_M", "IQ2_S"),
        ("Q2_K_S", "Q2_K"),
        ("Q8_0", "Q8_0"),
    ],
)
def test_a_file_type_is_named_for_its_main_type(file_type: str, expected: str) -> None:
    assert main_type(file_type) == expected


def test_a_file_without_the_type_of_its_name_is_held_against_its_coarsest_type() -> None:
    assert ruler_of(gguf(file_type="Q4_K_M"), {"Q5_0", "Q8_0"}).label == "Q5_0"
    assert ruler_of(gguf(file_type="Q4_K_M"), {"Q4_K", "Q5_0"}).label == "Q4_K"


def test_a_scheme_that_nobody_knows_has_no_ruler() -> None:
    with pytest.raises(InputError, match="no round-to-nearest ruler for Q9_Z"):
        ruler_of(gguf(file_type="Q9_Z"))


def test_the_recipes_group_size_is_the_rulers() -> None:
    options = CompressedTensorsOptions(scheme="W4A16", modifier="GPTQModifier", group_size=32)
    ruler = ruler_of(replace(recipe("W4A16--gptq"), options=options))
    assert ruler.weights == Grid(values="integer", shared_by="group", size=32, bits=4)
    assert ruler.activations is None


def test_archived_packages_are_held_against_their_own_layouts() -> None:
    base = recipe("W4A16--gptq")
    awq = ruler_of(replace(base, options=AutoAwqOptions(group_size=64)))
    gptq = ruler_of(replace(base, options=AutoGptqOptions(group_size=64)))
    assert awq.weights == Grid(
        values="integer", shared_by="group", size=64, bits=4, zero_point=True
    )
    assert gptq.weights == Grid(values="integer", shared_by="group", size=64, bits=4)


def test_a_cache_alone_is_held_against_a_cache_alone() -> None:
    options = CompressedTensorsOptions(scheme=None, modifier="QuantizationModifier", kv_cache="fp8")
    ruler = ruler_of(replace(recipe("FP8_DYNAMIC"), options=options))
    assert (ruler.weights, ruler.activations) == (None, None)
    assert ruler.kv_cache is not None


def test_llama_cpps_cache_types_are_part_of_the_ruler() -> None:
    ruler = ruler_of(replace(recipe("Q8_0"), kv_cache="q4_0"))
    assert ruler.kv_cache == Grid(values="integer", shared_by="group", size=32, bits=4)
    assert ruler.label == "Q8_0, KV q4_0"


def test_overrides_are_held_against_the_coarsest_type() -> None:
    rules = (TensorTypeRule(pattern="ffn", type="Q6_K"), TensorTypeRule(pattern="v", type="Q3_K"))
    assert ruler_of(gguf(file_type="Q4_K_M", tensor_types=rules)).label == "Q3_K"
    up = (TensorTypeRule(pattern="ffn_down", type="Q6_K"),)
    assert ruler_of(gguf(file_type="Q4_K_M", tensor_types=up)).label == "Q4_K"


@pytest.mark.parametrize(("budget", "label"), [(2.7, "Q2_K"), (3.5, "Q3_K"), (1.0, "IQ1_S")])
def test_a_measured_mix_is_held_against_the_uniform_type_of_its_budget(
    budget: float, label: str
) -> None:
    mix = MeasuredMix(
        budget_bits_per_weight=budget, candidates=("IQ1_S", "Q2_K", "Q3_K", "Q4_K", "Q6_K")
    )
    assert ruler_of(gguf(file_type="Q2_K", mix=mix)).label == label
