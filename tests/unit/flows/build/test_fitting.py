"""Recipes that do not fit a checkpoint: refused, replaced by the nearest, or left out, and always said."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from quantgate.flows.build.fitting import fitting_recipes
from quantgate.flows.wiring import Tools
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.builds import BuildSpec
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.fakes import FakeBackend, fake_checkpoint
from tests.unit.flows.build.test_planning import spec


@dataclass
class Narrow(FakeBackend):
    """Fits no recipe but those that stand in; `in_place` says by name what stands in for what."""

    in_place: dict[str, str | None] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    def misfits(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        plain = recipe.name.partition("--kv_")[0].partition("--on_")[0]
        return ("rows of 576",) if plain in self.in_place else ()

    def nearest(self, checkpoint: Checkpoint, recipe: Recipe) -> Recipe | None:
        name = self.in_place[recipe.name.partition("--kv_")[0].partition("--on_")[0]]
        return named(name) if name else None

    def remarks(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        assert not self.misfits(checkpoint, recipe), (
            "a recipe that is wrong may have no types at all"
        )
        return (self.said[recipe.name],) if recipe.name in self.said else ()


def named(name: str) -> Recipe:
    (recipe,) = find_recipes((name,), Path())
    return recipe


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return fake_checkpoint(tmp_path)


@pytest.fixture
def asked(tmp_path: Path) -> BuildSpec:
    return spec(tmp_path)


def fitted(
    asked: BuildSpec, checkpoint: Checkpoint, backend: Narrow, *recipes: Recipe
) -> tuple[list[str], list[str]]:
    """Return the names of the recipes to plan, and what was said."""
    said: list[str] = []
    tools = Tools(
        backends={"llamacpp": backend, "llmcompressor": backend}, runtimes={}, run_worker=run_worker
    )
    kept = fitting_recipes(recipes, checkpoint, tools, asked, said.append)
    return [recipe.name for recipe in kept], said


def test_what_was_asked_for_by_name_stays_and_is_refused_later(
    asked: BuildSpec, checkpoint: Checkpoint
) -> None:
    backend = Narrow(in_place={"Q2_K": "Q4_0"})
    assert fitted(asked, checkpoint, backend, named("Q2_K")) == (["Q2_K"], [])


def test_nearest_takes_another_with_the_cache_and_the_corpus_that_were_asked_for(
    asked: BuildSpec, checkpoint: Checkpoint
) -> None:
    backend = Narrow(in_place={"Q2_K": "Q4_0"})
    cached = named("Q2_K--kv_q8_0")
    on_web = replace(cached, name="Q2_K--on_web--kv_q8_0")
    names, said = fitted(replace(asked, nearest=True), checkpoint, backend, cached, on_web)
    assert names == ["Q4_0--kv_q8_0", "Q4_0--on_web--kv_q8_0"]
    assert said[0] == "Q4_0--kv_q8_0 is taken for Q2_K--kv_q8_0, which does not fit: rows of 576"


def test_nearest_leaves_to_refusal_what_nothing_stands_in_for(
    asked: BuildSpec, checkpoint: Checkpoint
) -> None:
    backend = Narrow(in_place={"Q2_K": None})
    assert fitted(replace(asked, nearest=True), checkpoint, backend, named("Q2_K")) == (
        ["Q2_K"],
        [],
    )


def test_recipes_that_nobody_chose_are_replaced_or_left_out_and_that_is_said(
    asked: BuildSpec, checkpoint: Checkpoint
) -> None:
    backend = Narrow(in_place={"Q2_K": None, "W4A16--gptq": "W4A16--gptq_g32", "Q4_K_M": "Q8_0"})
    recipes = [named(name) for name in ("Q8_0", "Q4_K_M", "W4A16--gptq", "Q2_K")]
    names, said = fitted(replace(asked, bundled=True), checkpoint, backend, *recipes)
    assert names == ["Q8_0", "W4A16--gptq_g32"]
    assert said == [
        "Q4_K_M is left out, for it does not fit: rows of 576",
        "W4A16--gptq_g32 is taken for W4A16--gptq, which does not fit: rows of 576",
        "Q2_K is left out, for it does not fit: rows of 576",
    ]


def test_where_no_bundled_recipe_fits_all_are_refused_and_not_none_built(
    asked: BuildSpec, checkpoint: Checkpoint
) -> None:
    backend = Narrow(in_place={"Q8_0": None, "Q2_K": None})
    names, _ = fitted(
        replace(asked, bundled=True), checkpoint, backend, named("Q8_0"), named("Q2_K")
    )
    assert names == ["Q8_0", "Q2_K"]


def test_what_a_recipe_makes_of_the_checkpoint_beyond_its_name_is_said(
    asked: BuildSpec, checkpoint: Checkpoint
) -> None:
    backend = Narrow(said={"Q4_K_M": "180 of 211 weights become Q5_0"})
    _, said = fitted(asked, checkpoint, backend, named("Q8_0"), named("Q4_K_M"))
    assert said == ["Q4_K_M: 180 of 211 weights become Q5_0"]
