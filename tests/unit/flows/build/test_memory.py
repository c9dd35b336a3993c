"""What a build needs of memory is known before it begins; what does not fit is refused, or read from disk."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.needs import resident_bytes, to_build, unit_needs
from quantgate.flows.build.preflight.memory import refuse_beyond_memory
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.checkpoint import TensorFacts
from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.specs.recipes import find_recipes
from quantgate.pipelines.variants.variant import PlannedVariant, plan_variant
from tests.support.builds.faked import faked_build
from tests.support.fakes import FakeBackend, FakeRuntime

LAYERS = 70
WEIGHTS = 70_000_000_000


def large(tmp_path: Path, *, offload: bool = False) -> tuple[LocalBuild, PlannedVariant]:
    """A build of 70 billion weights in 70 layers, and its variant by llm-compressor."""
    build = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    shape = (WEIGHTS // LAYERS // 10_000, 10_000)
    tensors = tuple(
        TensorFacts(name=f"model.layers.{layer}.mlp.up_proj.weight", shape=shape, dtype="BF16")
        for layer in range(LAYERS)
    )
    checkpoint = replace(build.plan.checkpoint, parameter_count=WEIGHTS, tensors=tensors)
    (recipe,) = find_recipes(("FP8_DYNAMIC",), Path())
    variant = plan_variant(checkpoint, recipe, None, FakeBackend(), 1)
    plan = replace(build.plan, checkpoint=checkpoint, variants=(variant,), offload=offload)
    return replace(build, plan=plan), variant


def with_memory(build: LocalBuild, gigabytes: float) -> Settings:
    return replace(build.settings, memory_bytes=int(gigabytes * 1e9))


def test_every_unit_says_what_it_needs(tmp_path: Path) -> None:
    build = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    units = [(each.unit, each.step) for each in unit_needs(build.plan, build.tools)]
    assert units == [
        ("base in llamacpp", "compare"),
        ("base in llamacpp", "answer"),
        ("demo--Q8_0", "build"),
        ("demo--Q8_0", "audit, answer"),
        ("demo--Q2_K", "build"),
        ("demo--Q2_K", "audit, answer"),
    ]


def test_builds_ask_by_the_size_of_the_checkpoint_and_by_their_tool(tmp_path: Path) -> None:
    small, large_one = faked_build(tmp_path, FakeBackend(), FakeRuntime()), large(tmp_path)[0]
    recipes = find_recipes(("Q8_0", "FP8_DYNAMIC"), Path())
    gguf, compressed = (
        plan_variant(small.plan.checkpoint, recipe, None, FakeBackend(), 1) for recipe in recipes
    )
    sizes = [
        to_build(build.plan, variant).size_bytes
        for build in (small, large_one)
        for variant in (gguf, compressed)
    ]
    assert sizes == sorted(set(sizes))
    assert to_build(small.plan, gguf).device == "cpu"


def test_what_memory_does_not_hold_is_refused_with_what_helps(tmp_path: Path) -> None:
    build, variant = large(tmp_path)
    refuse_beyond_memory(build.plan, build.tools, with_memory(build, 400))
    with pytest.raises(ToolchainError) as refused:
        refuse_beyond_memory(build.plan, build.tools, with_memory(build, 320))
    assert "memory of 320.0 GB does not hold:" in refused.value.what
    assert f"build {variant.identifier} needs about 351.2 GB" in refused.value.what
    assert "--offload" in (refused.value.next_step or "")


def test_with_offload_a_build_takes_its_largest_layer_and_what_memory_there_is(
    tmp_path: Path,
) -> None:
    build, variant = large(tmp_path, offload=True)
    layer = 2 * WEIGHTS // LAYERS
    least = to_build(build.plan, variant).size_bytes
    assert 2 * layer < least < 10 * layer
    refuse_beyond_memory(build.plan, build.tools, with_memory(build, 320))
    assert to_build(build.plan, variant, 64_000_000_000).size_bytes == 64_000_000_000
    resident = resident_bytes(build.plan, variant, 64_000_000_000)
    assert resident == 64_000_000_000 - least
    assert resident_bytes(build.plan, variant, 400_000_000_000) is None, "all of it fits"
    assert resident_bytes(build.plan, variant, 1_000_000_000) == 0


def test_without_offload_all_weights_stay_in_memory(tmp_path: Path) -> None:
    build, variant = large(tmp_path)
    assert resident_bytes(build.plan, variant, 1_000_000_000) is None


@pytest.mark.parametrize(("text", "size"), [("16", 16e9), ("7.5G", 7.5e9), ("24 gb", 24e9)])
def test_how_much_memory_there_is_may_be_said(text: str, size: float) -> None:
    assert Settings.from_environment({"QUANTGATE_MEMORY": text}).memory_bytes == size


@pytest.mark.parametrize("text", ["much", "0", "-1", "16 apples", "1e9"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a size in gigabytes"):
        Settings.from_environment({"QUANTGATE_MEMORY": text})
