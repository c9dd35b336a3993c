"""Quants of others in a plan: units like any other, refused where they are of another model."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.plan_files import read_plan, write_plan
from quantgate.flows.build.planning.plans import make_plan
from quantgate.flows.build.preflight.all import needed_bytes
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import KvCacheType
from quantgate.pipelines.engines.foreign.backend import ForeignBackend
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.builds import BuildOverrides, BuildSpec, load_build
from quantgate.pipelines.specs.foreign import foreign_places
from tests.support.fakes import FakeBackend, FakeRuntime, fake_loading
from tests.support.llamacpp.gguf_writing import write_gguf
from tests.support.models.checkpoints import write_checkpoint
from tests.support.models.foreign import SAID, shapes, write_quant, write_quantized_folder

SUITE = """\
name: demo
version: 1
grader: {kind: exact}
decode: {max_tokens: 8}
slices: {easy: {}}
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a base, a suite and two quants of the base."""
    write_checkpoint(tmp_path / "demo")
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "suite.yaml").write_text(SUITE)
    item = '{"id": "1", "prompt": "2+2?", "expected": "4", "slices": ["easy"]}\n'
    (tmp_path / "suite" / "items.jsonl").write_text(item)
    write_quant(tmp_path / "demo-Q8_0.gguf")
    write_quantized_folder(tmp_path / "demo", tmp_path / "demo-FP8")
    return tmp_path


def spec(here: Path, *places: str, recipes: tuple[str, ...] | None = ()) -> BuildSpec:
    overrides = BuildOverrides(
        model=str(here / "demo"),
        suite=here / "suite",
        recipes=recipes,
        foreign=foreign_places(places, here),
    )
    return load_build(None, overrides, ("Q8_0",))


def plan(here: Path, asked: BuildSpec, said: list[str] | None = None) -> BuildPlan:
    settings = replace(Settings.from_environment({}), store=Store(root=here / "store"))
    tools = Tools(
        backends={"llamacpp": FakeBackend(), "foreign": ForeignBackend()},
        runtimes={"llamacpp": FakeRuntime(), "transformers": FakeRuntime()},
        run_worker=run_worker,
        report_loading=fake_loading,
    )
    heard = said if said is not None else []
    return make_plan(asked, settings, tools, heard.append)


def identifiers(plan: BuildPlan) -> Sequence[str]:
    return [variant.identifier for variant in plan.variants]


def test_quants_of_others_are_units_beside_what_is_built(here: Path) -> None:
    made = plan(here, spec(here, "demo-Q8_0.gguf", "demo-FP8", recipes=("Q4_K_M",)))
    assert identifiers(made) == ["demo--Q4_K_M", "demo--foreign--Q8_0", "demo--foreign--FP8"]
    assert made.runtimes == ("llamacpp", "transformers")


def test_without_recipes_they_are_judged_alone(here: Path) -> None:
    made = plan(here, spec(here, "demo-*"))
    assert identifiers(made) == ["demo--foreign--Q8_0", "demo--foreign--FP8"]
    sizes = sum(
        (here / name).stat().st_size for name in ("demo-Q8_0.gguf", "demo-FP8/model.safetensors")
    )
    settings = replace(Settings.from_environment({}), store=Store(root=here / "store"))
    assert needed_bytes(made, settings) == sizes


def test_a_plan_with_them_is_read_back_as_it_was_written(here: Path) -> None:
    made = plan(here, spec(here, "demo-*"))
    assert read_plan(write_plan(made, Store(root=here / "store"))) == made


def test_the_same_bytes_elsewhere_are_the_same_build(here: Path) -> None:
    first = plan(here, spec(here, "demo-Q8_0.gguf"))
    (here / "moved").mkdir()
    (here / "demo-Q8_0.gguf").rename(here / "moved" / "demo-Q8_0.gguf")
    assert plan(here, spec(here, "moved/demo-Q8_0.gguf")).key == first.key


def test_key_value_caches_are_an_axis_of_theirs_too(here: Path) -> None:
    kv_caches: tuple[KvCacheType, ...] = ("f16", "q8_0")
    made = plan(here, replace(spec(here, "demo-Q8_0.gguf"), kv_caches=kv_caches))
    assert identifiers(made) == ["demo--foreign--Q8_0", "demo--foreign--Q8_0--kv_q8_0"]
    first, second = made.variants
    assert first.folder(Store(root=here)) == second.folder(Store(root=here))


def test_one_of_another_model_refuses_the_build_also_where_nobody_chose_the_recipes(
    here: Path,
) -> None:
    wide = {**shapes(), "token_embd.weight": ("Q8_0", (257, 256))}
    write_gguf(here / "wide.gguf", SAID, wide)
    for recipes in ((), None):
        with pytest.raises(CheckpointError, match="257 x 256, and this base has no such weight"):
            plan(here, spec(here, "wide.gguf", "demo-Q8_0.gguf", recipes=recipes))
