"""Recipes that do not fit a checkpoint: refused, replaced by the nearest, or left out, and always said."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.planning.fitting import fitting_recipes
from quantgate.flows.build.planning.plans import make_plan
from quantgate.flows.wiring import Tools
from quantgate.pipelines.domain.architectures import LLAMA_CPP, TRANSFORMERS, ToolArchitectures
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.builds import BuildSpec
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.fakes import FakeBackend, FakeRuntime, fake_checkpoint, fake_loading
from tests.unit.flows.build.planning.test_plans import settings, spec


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


@dataclass
class Of(FakeBackend):
    """Builds what its tool has a class for."""

    tool: str = ""

    def misfits(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        why = checkpoint.refused_by(self.tool)
        return (why,) if why else ()


@dataclass
class Loading(FakeRuntime):
    """Asks the base where its tool has a class for it."""

    tool: str = ""

    def refusal(self, checkpoint: Checkpoint) -> str | None:
        return checkpoint.refused_by(self.tool)


HALF_KNOWN = Tools(
    backends={"llamacpp": Of(tool=LLAMA_CPP), "llmcompressor": Of(tool=TRANSFORMERS)},
    runtimes={"llamacpp": Loading(tool=LLAMA_CPP), "transformers": Loading(tool=TRANSFORMERS)},
    run_worker=run_worker,
    report_loading=fake_loading,
    architectures=(
        ToolArchitectures(
            tool=LLAMA_CPP, label="llama.cpp 1", names=frozenset({"LlamaForCausalLM"})
        ),
        ToolArchitectures(tool=TRANSFORMERS, label="transformers 1", names=frozenset({"Other"})),
    ),
)
"""llama.cpp has the class of the test's checkpoint, transformers has not."""


def planned(asked: BuildSpec, tmp_path: Path) -> BuildPlan:
    return make_plan(asked, settings(tmp_path), HALF_KNOWN, lambda _: None)


def test_a_recipe_whose_tool_lacks_the_architecture_is_refused_with_recipes_that_fit(
    asked: BuildSpec, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError) as refusal:
        planned(replace(asked, recipes=("Q8_0", "FP8_DYNAMIC")), tmp_path)
    assert "transformers 1 has no LlamaForCausalLM" in refusal.value.what
    step = str(refusal.value.next_step)
    assert step.startswith("leave out FP8_DYNAMIC; of the bundled recipes fit ")
    assert "FP8" not in step.partition(" fit ")[2]


def test_bundled_recipes_of_a_tool_that_lacks_the_architecture_are_left_out(
    asked: BuildSpec, tmp_path: Path
) -> None:
    plan = planned(replace(asked, recipes=("Q8_0", "FP8_DYNAMIC"), bundled=True), tmp_path)
    assert [variant.recipe.name for variant in plan.variants] == ["Q8_0"]


def test_a_base_that_no_runtime_in_play_can_load_is_refused_before_anything_is_built(
    asked: BuildSpec, tmp_path: Path
) -> None:
    with pytest.raises(
        CheckpointError, match="the base cannot be asked in transformers"
    ) as refusal:
        planned(replace(asked, recipes=()), tmp_path)
    assert "transformers 1 has no LlamaForCausalLM" in refusal.value.what
    assert "of the bundled recipes fit" in str(refusal.value.next_step)
