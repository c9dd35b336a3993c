"""Repacking a compressed-tensors folder: nothing changes but the layout; what cannot stand in it stops."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.variant import Toolchain
from quantgate.pipelines.engines.backend import BuildRequest
from quantgate.pipelines.engines.llmcompressor.layouts import RepackFacts, RepackRequest
from quantgate.pipelines.engines.llmcompressor.workers.repack import repack
from quantgate.pipelines.formats.arrays import Array, read_array, read_bytes, write_tensors
from quantgate.pipelines.formats.packed.config import (
    awq_config,
    stored_layout,
)
from quantgate.pipelines.formats.packed.int4 import IN_ORDER, pack
from quantgate.pipelines.formats.packed.weights import (
    Int4Weight,
    StoredModule,
    from_awq,
    from_compressed_tensors,
    from_gptq,
)
from quantgate.pipelines.formats.safetensors import INDEX_FILE, read_tensors
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.specs.recipes import catalogue
from tests.support.fakes import fake_checkpoint
from tests.support.models.checkpoints import edit_json, weights, write_checkpoint

GROUP = 64


def _scheme(*, symmetric: bool) -> dict[str, Any]:
    return {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "ignore": ["lm_head"],
        "kv_cache_scheme": None,
        "config_groups": {
            "group_0": {
                "input_activations": None,
                "weights": {
                    "type": "int",
                    "num_bits": 4,
                    "strategy": "group",
                    "group_size": GROUP,
                    "symmetric": symmetric,
                    "actorder": None,
                },
            }
        },
    }


def _compressed_arrays(name: str, shape: tuple[int, ...], *, symmetric: bool) -> dict[str, Array]:
    """Random integers, and scales of eight significant bits, as a layer of this shape stores them."""
    random = np.random.default_rng(len(name))
    outputs, inputs = shape
    groups = inputs // GROUP
    values = random.integers(0, 16, shape, dtype=np.uint8)
    arrays: dict[str, Array] = {
        f"{name}.weight_packed": pack(values, axis=1, order=IN_ORDER),
        f"{name}.weight_shape": np.array(shape, dtype=np.int64),
        f"{name}.weight_scale": (random.integers(128, 256, (outputs, groups)) / 2**14).astype(
            np.float32
        ),
    }
    if not symmetric:
        zeros = random.integers(0, 16, (outputs, groups), dtype=np.uint8)
        arrays[f"{name}.weight_zero_point"] = pack(zeros, axis=0, order=IN_ORDER)
    return arrays


def _write_compressed(folder: Path, *, symmetric: bool) -> None:
    """Write the tiny checkpoint as llm-compressor leaves it: layers packed, the rest as it was."""
    write_checkpoint(folder)
    edit_json(
        folder / "config.json",
        dtype="bfloat16",
        quantization_config=_scheme(symmetric=symmetric),
        transformers_version="6.0.0",
        rope_parameters={"rope_theta": 10000.0},
    )
    arrays: dict[str, Array] = {}
    for name, values in weights().items():
        module = name.removesuffix(".weight")
        if "_proj" in name:
            arrays |= _compressed_arrays(module, values.shape, symmetric=symmetric)
        else:
            arrays[name] = values
    write_tensors(folder / "model.safetensors", arrays)


@dataclass(frozen=True)
class Folders:
    """The base, what llm-compressor made of it, and where the other layout is to stand."""

    base: Path
    compressed: Path
    output: Path

    def repack(self, layout: Format) -> RepackFacts:
        build = BuildRequest(
            checkpoint=replace(fake_checkpoint(self.base.parent / "other"), folder=self.base),
            recipe=replace(catalogue()[0], format=layout),
            calibration=None,
            output=self.output,
            scratch=self.output,
            log=self.output / "log",
            toolchain=Toolchain(tools=(), device="cpu", threads=1),
        )
        return repack(RepackRequest(build=build, compressed=self.compressed), ignore_progress)

    def edit_scheme(self, *path: str, to: object) -> None:
        scheme = json.loads((self.compressed / "config.json").read_text())["quantization_config"]
        inner = scheme
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = to
        edit_json(self.compressed / "config.json", quantization_config=scheme)

    def edit_tensors(self, **changes: Array) -> None:
        arrays = {t.name: read_array(t) for t in read_tensors(self.compressed)}
        write_tensors(self.compressed / "model.safetensors", arrays | changes)


def _folders(root: Path, *, symmetric: bool) -> Folders:
    folders = Folders(root / "base", root / "compressed", root / "output")
    write_checkpoint(folders.base)
    _write_compressed(folders.compressed, symmetric=symmetric)
    folders.output.mkdir()
    return folders


@pytest.fixture
def asymmetric(tmp_path: Path) -> Folders:
    return _folders(tmp_path, symmetric=False)


@pytest.fixture
def symmetric(tmp_path: Path) -> Folders:
    return _folders(tmp_path, symmetric=True)


def _modules(folder: Path) -> dict[str, StoredModule]:
    """Every quantized layer of a folder, whatever its layout."""
    found: dict[str, dict[str, Array]] = {}
    for tensor in read_tensors(folder):
        module, _, part = tensor.name.rpartition(".")
        if "_proj" in module:
            found.setdefault(module, {})[part] = read_array(tensor)
    return {n: StoredModule(name=n, where=str(folder), arrays=a) for n, a in found.items()}


def _equal(one: Int4Weight, other: Int4Weight) -> bool:
    fields = ("values", "zeros", "scales", "groups")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in fields)


def _assert_unchanged(folders: Folders, layout: Format) -> None:
    found = stored_layout(folders.output)
    assert found is not None
    read = from_awq if layout is Format.AWQ else from_gptq
    before, after = _modules(folders.compressed), _modules(folders.output)
    assert len(after) == 14
    for name, module in after.items():
        source = from_compressed_tensors(before[name], GROUP)
        assert _equal(read(module, found), source), name


def test_awq_holds_the_integers_zero_points_and_scales_of_the_source(asymmetric: Folders) -> None:
    asymmetric.repack(Format.AWQ)
    _assert_unchanged(asymmetric, Format.AWQ)


@pytest.mark.parametrize("layout", [Format.AWQ, Format.GPTQ])
def test_symmetric_weights_stand_in_either_layout(symmetric: Folders, layout: Format) -> None:
    symmetric.repack(layout)
    _assert_unchanged(symmetric, layout)


def test_what_is_not_quantized_keeps_its_bytes(asymmetric: Folders) -> None:
    asymmetric.repack(Format.AWQ)
    kept = {t.name: read_bytes(t) for t in read_tensors(asymmetric.compressed)}
    kept = {name: content for name, content in kept.items() if "_proj" not in name}
    written = {t.name: read_bytes(t) for t in read_tensors(asymmetric.output)}
    assert {name: written[name] for name in kept} == kept
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        there = (asymmetric.output / name).read_bytes()
        assert there == (asymmetric.compressed / name).read_bytes()


def test_config_is_the_bases_own_with_what_changed(asymmetric: Folders) -> None:
    asymmetric.repack(Format.AWQ)
    written = json.loads((asymmetric.output / "config.json").read_text())
    base = json.loads((asymmetric.base / "config.json").read_text())
    assert written == base | {
        "dtype": "bfloat16",
        "quantization_config": awq_config(GROUP, ("lm_head",)),
    }


def test_shards_keep_their_names_and_get_an_index_of_their_own(symmetric: Folders) -> None:
    tensors = read_tensors(symmetric.compressed)
    halves = {"model-1.safetensors": tensors[::2], "model-2.safetensors": tensors[1::2]}
    for name, half in halves.items():
        write_tensors(symmetric.compressed / name, {}, half)
    (symmetric.compressed / "model.safetensors").unlink()
    index = {"weight_map": {t.name: name for name, half in halves.items() for t in half}}
    (symmetric.compressed / INDEX_FILE).write_text(json.dumps(index))
    symmetric.repack(Format.GPTQ)
    assert {path.name for path in symmetric.output.glob("*.safetensors")} == set(halves)
    _assert_unchanged(symmetric, Format.GPTQ)  # reads by the index, which has to be right


def test_facts_count_scales_zero_points_and_group_indices(symmetric: Folders) -> None:
    def bits(facts: RepackFacts, name: str) -> float:
        (found,) = (tensor for tensor in facts.tensors if tensor.name == name)
        assert (found.quantized, found.type) == (True, "int4")
        return found.bits_per_weight

    name = "model.layers.0.mlp.up_proj.weight"  # 256 x 128
    assert bits(symmetric.repack(Format.AWQ), name) == 4 + 20 / GROUP
    assert bits(symmetric.repack(Format.GPTQ), name) == 4 + 20 / GROUP + 32 / 256


def test_a_scale_that_float16_cannot_hold_names_its_layer(asymmetric: Folders) -> None:
    layer = "model.layers.1.mlp.down_proj"
    scales = np.full((128, 4), 2.0**-20 * 1.0078125, dtype=np.float32)
    asymmetric.edit_tensors(**{f"{layer}.weight_scale": scales})
    with pytest.raises(CheckpointError, match=rf"{layer} has 512 scales that float16 rounds"):
        asymmetric.repack(Format.AWQ)


def test_zero_points_do_not_go_into_gptq(asymmetric: Folders) -> None:
    with pytest.raises(CheckpointError, match="zero points other than 8"):
        asymmetric.repack(Format.GPTQ)


def test_a_tensor_without_a_place_in_the_layout_is_not_lost_in_silence(symmetric: Folders) -> None:
    stray = "model.layers.0.mlp.up_proj.weight_g_idx"
    symmetric.edit_tensors(**{stray: np.zeros(128, dtype=np.int32)})
    with pytest.raises(CheckpointError, match=f"{stray} has no place in the gptq layout"):
        symmetric.repack(Format.GPTQ)


WEIGHTS = ("config_groups", "group_0", "weights")
UNLIKE: dict[str, tuple[tuple[str, ...], object]] = {
    "eight bits": ((*WEIGHTS, "num_bits"), 8),
    "floats": ((*WEIGHTS, "type"), "float"),
    "whole rows": ((*WEIGHTS, "strategy"), "channel"),
    "groups in activation order": ((*WEIGHTS, "actorder"), "group"),
    "low-bit activations": (("config_groups", "group_0", "input_activations"), {"num_bits": 8}),
    "low-bit cache": (("kv_cache_scheme",), {"num_bits": 8}),
    "no groups": (("config_groups",), {}),
    "another format": (("format",), "int-quantized"),
}


@pytest.mark.parametrize("case", UNLIKE)
def test_other_schemes_are_not_taken_for_four_bit_groups(symmetric: Folders, case: str) -> None:
    path, value = UNLIKE[case]
    symmetric.edit_scheme(*path, to=value)
    with pytest.raises(CheckpointError, match="no folder of 4-bit integer weights"):
        symmetric.repack(Format.GPTQ)
