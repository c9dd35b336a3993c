"""Checkpoints that are low-bit already: their own reference, judged as they are, never quantized again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.planning.plans import make_plan
from quantgate.flows.build.preflight.all import needed_bytes
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools
from quantgate.pipelines.checkpoints.numerics import stored_quantization
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError, InputError, ToolchainError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.engines.llamacpp.runtime import LlamaCppRuntime
from quantgate.pipelines.engines.transformers.runtime import TransformersRuntime
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.builds import BuildOverrides, BuildSpec, load_build
from quantgate.pipelines.specs.recipes import parse_recipes
from tests.support.fakes import FakeBackend, FakeRuntime, fake_loading
from tests.support.models.checkpoints import (
    FEED_FORWARD,
    HIDDEN,
    edit_json,
    weights,
    write_checkpoint,
    write_safetensors,
)

LAYER = "model.layers.0.mlp.up_proj"
SUITE = """\
name: demo
version: 1
grader: {kind: exact}
decode: {max_tokens: 8}
slices: {easy: {}}
"""
FP8 = {"num_bits": 8, "type": "float", "strategy": "channel"}
INT4 = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}


def compressed(
    weights: object, activations: object = None, cache: object = None, **more: object
) -> dict[str, Any]:
    groups = {"group_0": {"weights": weights, "input_activations": activations}} if weights else {}
    return {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "config_groups": groups,
        "kv_cache_scheme": cache,
        **more,
    }


AWQ = {"quant_method": "awq", "version": "gemm", "zero_point": True, "bits": 4, "group_size": 128}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": -1, "sym": True, "desc_act": False}
STORED = {
    "weights alone": (compressed(INT4), "W4/A16/KV16, compressed-tensors pack-quantized"),
    "activations too": (compressed(FP8, FP8), "W8f/A8f/KV16, compressed-tensors pack-quantized"),
    "the cache alone": (
        compressed(None, cache=FP8),
        "W16/A16/KV8f, compressed-tensors pack-quantized",
    ),
    "two kinds of layers": (
        compressed(
            INT4,
            config_groups={"a": {"weights": INT4}, "b": {"weights": FP8}, "c": {"weights": FP8}},
        ),
        "W4+W8f/A16/KV16, compressed-tensors pack-quantized",
    ),
    "awq": (AWQ, "W4/A16/KV16, awq in groups of 128"),
    "gptq": (GPTQ, "W4/A16/KV16, gptq by whole columns"),
}
KERNELS = {
    "weights alone": ("weight-only", "bf16"),
    "activations too": ("emulated", "bf16"),
    "the cache alone": ("emulated", "fp8"),
    "awq": ("weight-only", "bf16"),
    "gptq": ("weight-only", "bf16"),
}


def low_bit(folder: Path, quantization: dict[str, Any]) -> Path:
    """The tiny checkpoint as if it had been quantized before: one layer is packed."""
    write_checkpoint(folder)
    edit_json(folder / "config.json", quantization_config=quantization)
    stored = weights()
    del stored[f"{LAYER}.weight"]
    stored[f"{LAYER}.weight_packed"] = np.zeros((FEED_FORWARD, HIDDEN // 8), dtype=np.int32)
    stored[f"{LAYER}.weight_scale"] = np.ones((FEED_FORWARD, 1), dtype=np.float16)
    write_safetensors(folder / "model.safetensors", stored)
    return folder


def spec(tmp_path: Path, *recipes: str) -> BuildSpec:
    suite = tmp_path / "suite"
    suite.mkdir(exist_ok=True)
    (suite / "suite.yaml").write_text(SUITE)
    (suite / "items.jsonl").write_text(
        '{"id": "1", "prompt": "2+2?", "expected": "4", "slices": ["easy"]}\n'
    )
    return BuildSpec(
        name="demo",
        model=str(tmp_path / "model"),
        suite=suite,
        corpora=(),
        policy=None,
        recipes=recipes,
        folder=tmp_path,
    )


def settings(tmp_path: Path) -> Settings:
    store = Store(root=tmp_path / "store")
    return replace(Settings.from_environment({}), store=store, threads=1, workers=1)


def tools() -> Tools:
    return Tools(
        backends={"llamacpp": FakeBackend(), "llmcompressor": FakeBackend()},
        runtimes={"llamacpp": FakeRuntime(), "transformers": TransformersRuntime()},
        run_worker=run_worker,
        report_loading=fake_loading,
    )


def plan(tmp_path: Path, *recipes: str) -> BuildPlan:
    return make_plan(spec(tmp_path, *recipes), settings(tmp_path), tools(), lambda _: None)


def checkpoint(tmp_path: Path, quantization: dict[str, Any]) -> Checkpoint:
    low_bit(tmp_path / "model", quantization)
    return plan(tmp_path).checkpoint


@pytest.mark.parametrize("kind", STORED)
def test_a_low_bit_source_names_its_own_numerics(tmp_path: Path, kind: str) -> None:
    quantization, told = STORED[kind]
    edit_json(write_checkpoint(tmp_path) / "config.json", quantization_config=quantization)
    assert str(stored_quantization(tmp_path)) == told


def test_a_full_precision_source_has_none(tmp_path: Path) -> None:
    assert stored_quantization(write_checkpoint(tmp_path)) is None


@pytest.mark.parametrize("bits", [0, -4, "4", None])
def test_bits_that_are_none_are_refused(tmp_path: Path, bits: object) -> None:
    quantization = compressed({"num_bits": bits, "type": "int"})
    edit_json(write_checkpoint(tmp_path) / "config.json", quantization_config=quantization)
    with pytest.raises(CheckpointError, match="not to which numerics"):
        stored_quantization(tmp_path)


@pytest.mark.parametrize("kind", KERNELS)
def test_its_reference_is_computed_as_a_variant_of_its_numerics_is(
    tmp_path: Path, kind: str
) -> None:
    source = checkpoint(tmp_path, STORED[kind][0])
    identity = TransformersRuntime().identity(source.numerics)
    assert (identity.kernels, identity.kv_cache) == KERNELS[kind]


@pytest.mark.parametrize("kind", ["weights alone", "awq", "gptq"])
def test_its_reference_is_the_folder_itself_in_its_own_format(tmp_path: Path, kind: str) -> None:
    source = checkpoint(tmp_path, STORED[kind][0])
    loadable = TransformersRuntime().reference(source, tmp_path, run_worker, ignore_progress)
    assert loadable.path == source.folder
    assert source.quantization is not None
    assert loadable.format is source.quantization.format


def test_packed_weights_are_counted_and_their_scales_are_not(tmp_path: Path) -> None:
    full = sum(values.size for values in weights().values())
    assert checkpoint(tmp_path, compressed(INT4)).parameter_count == full


@pytest.mark.parametrize("recipes", [("Q2_K",), ("FP8_DYNAMIC", "Q4_K_M--imatrix", "NVFP4")])
def test_every_recipe_on_it_is_refused_in_one_sentence_with_both_ways_out(
    tmp_path: Path, recipes: tuple[str, ...]
) -> None:
    low_bit(tmp_path / "model", compressed(FP8, FP8))
    with pytest.raises(CheckpointError) as caught:
        plan(tmp_path, *recipes)
    error = caught.value
    assert str(error).count("W8f/A8f/KV16, compressed-tensors pack-quantized") == 1
    assert str(error).count("is its own reference") == 1
    assert all(name in error.what for name in recipes)
    assert error.next_step is not None
    assert "full-precision checkpoint" in error.next_step
    assert "--recipes none" in error.next_step
    assert error.exit_code == 3


def test_llama_cpp_does_not_expand_it_either(tmp_path: Path) -> None:
    source = checkpoint(tmp_path, compressed(INT4))

    def convert(*_: object) -> Path:
        raise AssertionError("it must not be converted")

    with pytest.raises(CheckpointError, match="would hold expanded weights"):
        LlamaCppRuntime(convert=convert).reference(source, tmp_path, run_worker, ignore_progress)


@pytest.mark.parametrize("make", [write_checkpoint, lambda folder: low_bit(folder, AWQ)])
def test_without_recipes_a_source_is_planned_on_its_own(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    make(tmp_path / "model")
    planned = plan(tmp_path)
    assert planned.variants == ()
    assert planned.runtimes == ("transformers",)
    assert needed_bytes(planned, settings(tmp_path)) == 0


def test_the_numerics_of_a_source_are_part_of_its_plans_identity(tmp_path: Path) -> None:
    first = low_bit(tmp_path / "one" / "model", compressed(INT4)).parent
    second = low_bit(tmp_path / "two" / "model", compressed(INT4, FP8)).parent
    assert plan(first).contracts != plan(second).contracts


def test_a_runtime_that_is_missing_is_told_without_recipes_too(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "model")

    class Absent(FakeRuntime):
        def missing(self) -> str | None:
            return "the transformers runtime lacks torch"

    wired = replace(tools(), runtimes={"transformers": Absent()})
    with pytest.raises(ToolchainError, match=r"lacks torch \(for the base\)"):
        make_plan(spec(tmp_path), settings(tmp_path), wired, lambda _: None)


def test_no_unit_of_a_build_without_recipes_can_be_chosen(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "model")
    with pytest.raises(InputError, match="no unit is called 'Q2_K'") as caught:
        make_plan(spec(tmp_path), settings(tmp_path), tools(), lambda _: None, "Q2_K")
    assert caught.value.next_step == "this build has: no recipes"


@pytest.mark.parametrize(
    ("line", "overrides", "recipes"),
    [
        ("", None, ("Q8_0",)),
        ("recipes: []\n", None, ()),
        ("recipes: []\n", ("Q2_K",), ("Q2_K",)),
        ("recipes: [Q2_K]\n", (), ()),
    ],
)
def test_no_recipes_is_something_else_than_recipes_left_unsaid(
    tmp_path: Path, line: str, overrides: tuple[str, ...] | None, recipes: tuple[str, ...]
) -> None:
    file = tmp_path / "build.yaml"
    file.write_text(f"model: org/name\nsuite: suite\n{line}")
    loaded = load_build(file, BuildOverrides(recipes=overrides), default_recipes=("Q8_0",))
    assert loaded.recipes == recipes


def test_none_stands_alone_on_the_command_line() -> None:
    assert parse_recipes("none") == ()
    assert parse_recipes("Q2_K, Q8_0") == ("Q2_K", "Q8_0")
    with pytest.raises(InputError, match="'none' stands alone"):
        parse_recipes("none,Q2_K")


def test_formats_are_those_of_the_folders(tmp_path: Path) -> None:
    formats = []
    for name, (quantization, _) in STORED.items():
        folder = write_checkpoint(tmp_path / name)
        edit_json(folder / "config.json", quantization_config=quantization)
        stored = stored_quantization(folder)
        formats.append(stored.format if stored else None)
    assert formats == [Format.COMPRESSED_TENSORS] * 4 + [Format.AWQ, Format.GPTQ]
