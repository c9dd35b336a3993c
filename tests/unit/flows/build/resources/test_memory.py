"""What a build needs of memory is known before it begins; what does not fit is refused, or read from disk."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build import units
from quantgate.flows.build.bases import refuse_base
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.planning.memory import refuse_beyond_memory
from quantgate.flows.build.references import run_references
from quantgate.flows.build.resources.needs import (
    ANSWER,
    AUDIT,
    BUILD,
    COMPARE,
    resident_bytes,
    to_build,
    unit_needs,
)
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.checkpoint import TensorFacts
from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.specs.recipes import find_recipes
from quantgate.pipelines.variants.variant import PlannedVariant, plan_variant
from tests.support.builds.faked import faked_build
from tests.support.fakes import FakeBackend, FakeRuntime

SERVER = Server(name="llamacpp", engine="llama-server", formats=(Format.GGUF,), version="1")
LAYERS = 70
WEIGHTS = 70_000_000_000


def large(
    tmp_path: Path, *, offload: bool = False, recipe: str = "FP8_DYNAMIC", module: str = "mlp"
) -> tuple[LocalBuild, PlannedVariant]:
    """A build of 70 billion weights in bfloat16, in 70 layers, and its variant."""
    build = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    shape = (WEIGHTS // LAYERS // 10_000, 10_000)
    tensors = tuple(
        TensorFacts(name=f"model.layers.{layer}.{module}.up.weight", shape=shape, dtype="BF16")
        for layer in range(LAYERS)
    )
    checkpoint = replace(
        build.plan.checkpoint, parameter_count=WEIGHTS, tensors=tensors, dtype="BF16"
    )
    variant = plan_variant(checkpoint, find_recipes((recipe,), Path())[0], None, FakeBackend(), 1)
    plan = replace(build.plan, checkpoint=checkpoint, variants=(variant,), offload=offload)
    return replace(build, plan=plan), variant


def with_memory(build: LocalBuild, gigabytes: float) -> LocalBuild:
    settings = replace(build.settings, memory_bytes=int(gigabytes * 1e9))
    return replace(build, settings=settings)


def gigabytes(build: LocalBuild, step: str) -> float:
    return max(each.need.size_bytes for each in unit_needs(build) if each.step == step) / 1e9


def test_every_unit_says_what_it_needs(tmp_path: Path) -> None:
    build = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    units = [(each.unit, each.step) for each in unit_needs(build)]
    assert units == [
        ("base in llamacpp", COMPARE),
        ("base in llamacpp", ANSWER),
        ("demo--Q8_0", BUILD),
        ("demo--Q8_0", AUDIT),
        ("demo--Q8_0", ANSWER),
        ("demo--Q2_K", BUILD),
        ("demo--Q2_K", AUDIT),
        ("demo--Q2_K", ANSWER),
    ]


def test_a_running_server_takes_no_memory_for_its_answers_but_its_variants_are_audited_here(
    tmp_path: Path,
) -> None:
    build = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    served = replace(build, plan=replace(build.plan, servers=(SERVER,)))
    steps = {each.step for each in unit_needs(served)}
    assert steps == {COMPARE, BUILD, AUDIT}


def test_a_started_server_takes_what_is_stated_else_what_our_own_runtime_would(
    tmp_path: Path,
) -> None:
    build, _ = large(tmp_path, recipe="Q8_0")

    def needs(server: Server) -> tuple[float, float]:
        served = replace(build, plan=replace(build.plan, servers=(server,)))
        return gigabytes(served, COMPARE), gigabytes(served, AUDIT)

    started = replace(SERVER, command=("llama-server", "{model}"))
    running, guessed = needs(SERVER), needs(started)
    answering = gigabytes(build, ANSWER)
    assert guessed == (max(running[0], answering), max(running[1], answering))
    stated = needs(replace(started, memory_gigabytes=500.0))
    assert stated == (500.0, 500.0)


def test_gguf_recipes_take_a_tensor_at_a_time_and_others_all_weights(tmp_path: Path) -> None:
    gguf, compressed = (large(tmp_path / name, recipe=name)[0] for name in ("Q8_0", "FP8_DYNAMIC"))
    assert gigabytes(gguf, BUILD) < 10
    assert gigabytes(compressed, BUILD) > WEIGHTS / 1e9


def test_a_checkpoint_is_computed_in_the_widest_type_that_fits(tmp_path: Path) -> None:
    build, _ = large(tmp_path)
    wide, narrow = (gigabytes(with_memory(build, size), COMPARE) for size in (400, 200))
    assert 4 * WEIGHTS < wide * 1e9 < 5 * WEIGHTS
    assert 2 * WEIGHTS < narrow * 1e9 < 2.5 * WEIGHTS


def test_what_memory_does_not_hold_is_refused_with_what_helps(tmp_path: Path) -> None:
    build, variant = large(tmp_path)
    refuse_beyond_memory(with_memory(build, 400))
    with pytest.raises(ToolchainError) as refused:
        refuse_beyond_memory(with_memory(build, 60))
    assert "memory of 60.0 GB does not hold:" in refused.value.what
    assert f"build {variant.identifier} needs about" in refused.value.what
    assert "--offload" in (refused.value.next_step or "")


def test_what_is_needed_never_reads_as_what_there_is(tmp_path: Path) -> None:
    build, _ = large(tmp_path)
    need = max(each.need.size_bytes for each in unit_needs(build))
    just_less = replace(build, settings=replace(build.settings, memory_bytes=need - 20_000_000))
    with pytest.raises(ToolchainError) as refused:
        refuse_beyond_memory(just_less)
    (there,) = re.findall(r"memory of ([0-9.]+) GB", refused.value.what)
    assert all(
        float(each) > float(there)
        for each in re.findall(r"needs about ([0-9.]+) GB", refused.value.what)
    )


def test_with_offload_a_build_takes_its_largest_layer_and_what_memory_there_is(
    tmp_path: Path,
) -> None:
    build, variant = large(tmp_path, offload=True)
    layer = 2 * WEIGHTS // LAYERS
    least = to_build(with_memory(build, 1), variant).size_bytes
    assert 2 * layer < least < 10 * layer
    assert to_build(with_memory(build, 64), variant).size_bytes == 64_000_000_000
    assert resident_bytes(with_memory(build, 64), variant) == 64_000_000_000 - least
    assert resident_bytes(with_memory(build, 400), variant) is None, "all of it fits"
    assert resident_bytes(with_memory(build, 1), variant) == 0


def test_reading_from_the_disk_is_proposed_only_where_it_helps(tmp_path: Path) -> None:
    build = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    with pytest.raises(ToolchainError) as refused:
        refuse_beyond_memory(with_memory(build, 0.001))
    assert "--offload" not in (refused.value.next_step or "")


def test_with_offload_every_step_takes_what_memory_there_is(tmp_path: Path) -> None:
    build, variant = large(tmp_path, offload=True)
    bound = with_memory(build, 64)
    refuse_beyond_memory(bound)
    assert {gigabytes(bound, step) for step in (COMPARE, BUILD, AUDIT, ANSWER)} == {64}
    residence = bound.bench.residence(variant.recipe)
    assert residence is not None
    assert 50e9 < residence.resident_bytes < 64e9


def test_mixtures_are_taken_apart_in_memory_and_refused_with_offload_as_well(
    tmp_path: Path,
) -> None:
    build, variant = large(tmp_path, offload=True, module="mlp.experts.0")
    bound = with_memory(build, 64)
    with pytest.raises(ToolchainError, match=f"audit {variant.identifier}") as refused:
        refuse_beyond_memory(bound)
    assert "--offload" not in (refused.value.next_step or "")
    assert bound.bench.residence(variant.recipe) is None


def test_without_offload_all_weights_stay_in_memory(tmp_path: Path) -> None:
    build, variant = large(tmp_path)
    assert resident_bytes(with_memory(build, 1), variant) is None


def test_what_is_sealed_is_not_refused(tmp_path: Path) -> None:
    build = faked_build(tmp_path, FakeBackend(), FakeRuntime(wrong={"Q2_K": {"i0"}}))
    bound = with_memory(build, 0.001)
    with pytest.raises(ToolchainError, match="does not hold") as nothing_done:
        refuse_beyond_memory(bound)
    refuse_base(build, "llamacpp")
    run_references(build, "llamacpp")
    with pytest.raises(ToolchainError) as base_done:
        refuse_beyond_memory(bound)
    assert "compare base" in nothing_done.value.what
    assert "base in" not in base_done.value.what
    for planned in build.plan.variants:
        units.build_files(build, planned)
        units.audit(build, planned)
        units.answer(build, planned)
    refuse_beyond_memory(bound)


@pytest.mark.parametrize(("text", "size"), [("16", 16e9), ("7.5G", 7.5e9), ("24 gb", 24e9)])
def test_how_much_memory_there_is_may_be_said(text: str, size: float) -> None:
    assert Settings.from_environment({"QUANTGATE_MEMORY": text}).memory_bytes == size


@pytest.mark.parametrize("text", ["much", "0", "-1", "16 apples", "1e9"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a size in gigabytes"):
        Settings.from_environment({"QUANTGATE_MEMORY": text})
