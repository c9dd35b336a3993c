"""From a build file to a plan: all that stands against it is told at once, before anything is built."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.planning.plans import make_plan
from quantgate.flows.build.preflight.all import needed_bytes
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools, wire
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import (
    CheckpointError,
    InputError,
    QuantgateError,
    ToolchainError,
)
from quantgate.pipelines.domain.recipe import GgufOptions, Recipe
from quantgate.pipelines.domain.variant import ExpectedSize
from quantgate.pipelines.engines.expected import expected_tensors
from quantgate.pipelines.engines.llamacpp.types.expected import single_type_bits
from quantgate.pipelines.engines.loading_report import LoadingReport, ReportLoading
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, Reply, RunWorker, WorkerCall, WorkerReply
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.builds import BuildSpec
from quantgate.pipelines.specs.recipes import CATALOGUE, find_recipes
from tests.support.fakes import FakeBackend, FakeRuntime, fake_loading
from tests.support.models.checkpoints import edit_json, write_checkpoint

SUITE = """\
name: demo
version: 1
grader: {kind: exact}
decode: {max_tokens: 8}
slices: {easy: {}}
"""


@dataclass
class Choosy(FakeBackend):
    """Has a sentence against some recipes; `lacks` is what is not installed."""

    against: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lacks: str | None = None

    def missing(self) -> str | None:
        return self.lacks

    def misfits(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        return self.against.get(recipe.name, ())


def settings(tmp_path: Path) -> Settings:
    store = Store(root=tmp_path / "store")
    return replace(Settings.from_environment({}), store=store, threads=1, workers=1)


def spec(tmp_path: Path, *recipes: str) -> BuildSpec:
    folder = tmp_path / "model"
    if not folder.exists():
        write_checkpoint(folder)
    suite = tmp_path / "suite"
    suite.mkdir(exist_ok=True)
    (suite / "suite.yaml").write_text(SUITE)
    (suite / "items.jsonl").write_text(
        '{"id": "1", "prompt": "2+2?", "expected": "4", "slices": ["easy"]}\n'
    )
    return BuildSpec(
        name="demo",
        model=str(folder),
        suite=suite,
        policy=None,
        recipes=recipes,
        folder=tmp_path,
    )


def equipped(backend: Choosy | None = None) -> Tools:
    return Tools(
        backends={"llamacpp": backend or Choosy(), "llmcompressor": Choosy()},
        runtimes={"llamacpp": FakeRuntime(), "transformers": FakeRuntime()},
        run_worker=run_worker,
        report_loading=fake_loading,
    )


def plan(tmp_path: Path, wanted: BuildSpec, backend: Choosy | None = None) -> BuildPlan:
    return make_plan(wanted, settings(tmp_path), equipped(backend), lambda _: None)


def refused(tmp_path: Path, wanted: BuildSpec, backend: Choosy | None = None) -> QuantgateError:
    with pytest.raises(QuantgateError) as caught:
        plan(tmp_path, wanted, backend)
    return caught.value


def test_every_recipe_that_does_not_fit_is_told_at_once_with_what_to_do(tmp_path: Path) -> None:
    backend = Choosy(
        against={
            "Q2_K": ("layers.0.q_proj has 100 columns; Q4_0 fits",),
            "Q8_0": ("layers.1.up_proj has 50 columns", "layers.2.up_proj has 50 columns"),
        }
    )
    error = refused(tmp_path, spec(tmp_path, "Q2_K", "FP8_DYNAMIC", "Q8_0"), backend)
    assert isinstance(error, CheckpointError)
    told = str(error).splitlines()
    assert told[0] == "2 of 3 recipes cannot be built:"
    assert told[1].startswith("  demo--Q2_K: does not fit this checkpoint: layers.0.q_proj has 100")
    assert "layers.1.up_proj" in told[2] and "layers.2.up_proj" in told[2]
    assert told[3] == "  next: leave out Q2_K, Q8_0"
    assert not (tmp_path / "store" / "variants").exists()


def test_one_recipe_that_does_not_fit_says_how_to_go_on_without_it(tmp_path: Path) -> None:
    backend = Choosy(against={"Q2_K": ("layers.0.q_proj has 100 columns",)})
    error = refused(tmp_path, spec(tmp_path, "Q2_K", "Q8_0"), backend)
    assert error.where == "demo--Q2_K"
    assert error.next_step == "leave out Q2_K"


def test_recipes_without_their_corpus_are_told_together(tmp_path: Path) -> None:
    error = refused(tmp_path, spec(tmp_path, "Q4_K_M--imatrix", "NVFP4", "Q8_0"))
    assert str(error).count("names no corpus") == 2
    assert error.next_step and error.next_step.startswith("give --corpus FILE")


def test_the_only_unit_that_is_built_is_no_recipe_to_leave_out(tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise CheckpointError("llama.cpp's converter refuses it: no such setting")

    tools = replace(equipped(), rehearse_conversion=refuse)
    bundled = replace(spec(tmp_path, "Q8_0", "FP8_DYNAMIC"), bundled=True)
    planned = make_plan(bundled, settings(tmp_path), tools, lambda _: None)
    assert [variant.recipe.name for variant in planned.variants] == ["FP8_DYNAMIC"]
    with pytest.raises(CheckpointError, match="no such setting"):
        make_plan(bundled, settings(tmp_path), tools, lambda _: None, only="Q8_0")


def test_all_that_is_not_installed_is_told_at_once(tmp_path: Path) -> None:
    backend = Choosy(lacks="llama.cpp is not installed: run `make setup`")
    error = refused(tmp_path, spec(tmp_path, "Q2_K", "FP8_DYNAMIC", "Q8_0"), backend)
    assert isinstance(error, ToolchainError)
    assert "run `make setup` (for Q2_K, Q8_0)" in error.what
    assert error.next_step and error.next_step.endswith("or leave out Q2_K, Q8_0")


def test_a_renamed_copy_of_a_bundled_recipe_plans_like_the_original(tmp_path: Path) -> None:
    text = (CATALOGUE / "Q2_K.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("name: Q2_K", "name: mine"))
    bundled, own = plan(tmp_path, spec(tmp_path, "Q2_K", "mine.yaml")).variants
    assert (own.identifier, own.recipe.options) == ("demo--mine", bundled.recipe.options)
    assert own.files_key == bundled.files_key
    assert own.key != bundled.key


def test_a_reduced_cache_is_another_variant_of_the_same_files(tmp_path: Path) -> None:
    wanted = replace(spec(tmp_path, "Q2_K"), kv_caches=("f16", "q8_0"))
    planned = plan(tmp_path, wanted)
    plain, reduced = planned.variants
    assert reduced.identifier == "demo--Q2_K--kv_q8_0"
    assert reduced.key != plain.key
    here = settings(tmp_path)
    assert reduced.folder(here.store) == plain.folder(here.store)
    assert planned.builder(reduced) is plain
    one = needed_bytes(replace(planned, variants=(plain,)), here)
    assert needed_bytes(planned, here) == one


def test_reading_from_the_disk_needs_room_for_the_layers_that_change(tmp_path: Path) -> None:
    planned, here = plan(tmp_path, spec(tmp_path, "FP8_DYNAMIC")), settings(tmp_path)
    added = needed_bytes(replace(planned, offload=True), here) - needed_bytes(planned, here)
    assert added == 2 * planned.checkpoint.parameter_count


def test_a_measured_mix_needs_disk_for_its_candidates_once_for_all_budgets(tmp_path: Path) -> None:
    smaller, larger = find_recipes(("mixed@2.7bpw", "mixed@3.4bpw"), Path())
    assert isinstance(smaller.options, GgufOptions)
    assert isinstance(larger.options, GgufOptions)
    assert smaller.options.mix is not None
    assert larger.options.mix is not None
    wanted = spec(tmp_path, "Q2_K")
    planned = plan(tmp_path, wanted)
    (plain,), here = planned.variants, settings(tmp_path)
    checkpoint = planned.checkpoint

    def needed(*recipes: Recipe) -> int:
        variants = (replace(plain, identifier=f"demo--{r.name}", recipe=r) for r in recipes)
        return needed_bytes(replace(planned, variants=tuple(variants)), here)

    def finished(recipe: Recipe) -> int:
        return ExpectedSize.of(expected_tensors(checkpoint, recipe)).size_bytes

    candidates = [single_type_bits(checkpoint, name) for name in smaller.options.mix.candidates]
    converted = 16 * checkpoint.parameter_count
    measured = (sum(candidates) + converted) // 8
    assert needed(smaller) == measured + finished(smaller)
    same = replace(larger.options.mix, candidates=smaller.options.mix.candidates)
    twin = replace(larger, options=replace(larger.options, mix=same))
    assert needed(smaller, twin) == measured + finished(smaller) + finished(twin)


def test_a_head_that_the_caches_blocks_do_not_divide_is_refused(tmp_path: Path) -> None:
    wanted = replace(spec(tmp_path, "Q2_K"), kv_caches=("f16", "q4_0"))
    edit_json(tmp_path / "model" / "config.json", num_attention_heads=8, num_key_value_heads=4)
    error = refused(tmp_path, wanted)
    assert "heads have 16 values, which the blocks of 32 of a q4_0 cache do not divide" in str(
        error
    )
    assert error.next_step == "leave out Q2_K--kv_q4_0"


def test_a_unit_that_is_none_is_refused_with_those_there_are(tmp_path: Path) -> None:
    tools = Tools(
        backends={"llamacpp": Choosy()},
        runtimes={"llamacpp": FakeRuntime()},
        run_worker=run_worker,
        report_loading=fake_loading,
    )
    with pytest.raises(InputError, match="no unit is called 'Q2'") as caught:
        make_plan(spec(tmp_path, "Q2_K"), settings(tmp_path), tools, lambda _: None, "Q2")
    assert caught.value.next_step == "this build has: demo--Q2_K"


def test_every_backend_and_runtime_of_the_catalogue_is_wired(tmp_path: Path) -> None:
    from quantgate.pipelines.specs.recipes import catalogue

    tools = wire(settings(tmp_path))
    for recipe in catalogue():
        assert recipe.options.backend in tools.backends
        assert recipe.runtime in tools.runtimes


def test_a_builds_template_variables_make_another_build_of_the_same_suite(tmp_path: Path) -> None:
    wanted = spec(tmp_path, "Q8_0")
    plain = plan(tmp_path, wanted)
    varied = plan(tmp_path, replace(wanted, template_variables={"enable_thinking": False}))
    assert varied.suite.digest == plain.suite.digest
    assert varied.suite.template_variables == {"enable_thinking": False}
    assert varied.key != plain.key


def test_a_template_that_fails_on_an_item_ends_the_plan_in_one_line(tmp_path: Path) -> None:
    wanted = spec(tmp_path, "Q8_0")
    edit_json(tmp_path / "model" / "tokenizer_config.json", chat_template="{{ 1 / 0 }}")
    error = refused(tmp_path, wanted)
    assert "\n" not in error.what and error.exit_code == 2
    assert error.what.startswith("item '1': ") and "ZeroDivisionError" in error.what


def test_what_is_done_beside_planning_begins_with_the_first_child_and_not_without_one(
    tmp_path: Path,
) -> None:
    def look(
        checkpoint: Checkpoint, store: Store, run_worker: RunWorker, on_progress: OnProgress
    ) -> LoadingReport:
        done.append("look")
        call = WorkerCall(module="none", request=store, log=tmp_path / "log", threads=1)
        for _ in range(2):
            run_worker(call, Store, on_progress)
        return fake_loading(checkpoint, store, run_worker, on_progress)

    def run(
        call: WorkerCall,
        reply_type: type[Reply],
        on_progress: OnProgress,
    ) -> WorkerReply[Reply]:
        done.append(f"child {call.module}")
        return cast("WorkerReply[Reply]", None)

    done: list[str] = []
    wanted, here = spec(tmp_path, "FP8_DYNAMIC"), settings(tmp_path)
    reports: tuple[ReportLoading, ...] = (fake_loading, look)
    for report in reports:
        tools = replace(equipped(), report_loading=report, run_worker=run)
        make_plan(wanted, here, tools, lambda _: None, None, lambda: done.append("beside"))
    assert done == ["look", "beside", "child none", "child none"]
