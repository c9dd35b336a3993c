"""Repacking a compressed-tensors folder: nothing changes but the layout; what cannot stand in it stops."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.backends.llmcompressor import LlmCompressorBackend
from pipelines.backends.llmcompressor_messages import CompressCall, CompressFacts
from pipelines.backends.packed_layouts import RepackCall, RepackFacts, misfits
from pipelines.backends.protocol import BuildRequest, CalibrationTokens
from pipelines.backends.workers.packed_layouts_repack import repack
from pipelines.domain.checkpoint import TensorFacts
from pipelines.domain.errors import CheckpointError
from pipelines.domain.recipe import CompressedTensorsOptions, Format, Recipe
from pipelines.domain.values import Digest
from pipelines.domain.variant import QuantizedTensor
from pipelines.files.packed_config import (
    PackedLayout,
    awq_config,
    gptq_config,
    stored_layout,
)
from pipelines.files.packed_int4 import IN_ORDER, pack
from pipelines.files.packed_weights import (
    Int4Weight,
    StoredModule,
    from_awq,
    from_compressed_tensors,
    from_gptq,
)
from pipelines.files.safetensors_arrays import Array, read_array, read_bytes, write_tensors
from pipelines.files.safetensors_header import INDEX_FILE, read_header, read_tensors
from pipelines.process.calls import OnProgress, WorkerCall, WorkerReply, ignore_progress
from pipelines.specs.recipes import catalogue
from tests.fakes import fake_checkpoint
from tests.tiny_checkpoints import edit_json, weights, write_checkpoint

GROUP = 64
RECIPES = {recipe.name: recipe for recipe in catalogue()}


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
        call = RepackCall(
            base=self.base, compressed=self.compressed, output=self.output, format=layout
        )
        return repack(call, ignore_progress)

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


def _declared(folder: Path, config: object) -> PackedLayout | None:
    (folder / "config.json").write_text(json.dumps({"quantization_config": config}))
    return stored_layout(folder)


def test_declarations_that_are_written_are_understood(tmp_path: Path) -> None:
    awq = PackedLayout(format=Format.AWQ, group_size=128)
    gptq = PackedLayout(format=Format.GPTQ, group_size=32, symmetric=True, zero_offset=1)
    assert _declared(tmp_path, awq_config(128, ())) == awq
    assert _declared(tmp_path, gptq_config(32)) == gptq


def test_declarations_of_other_writers_are_understood(tmp_path: Path) -> None:
    loud = awq_config(-1, ()) | {"version": "GEMM"}
    assert _declared(tmp_path, loud) == PackedLayout(format=Format.AWQ, group_size=None)
    ordered = gptq_config(64) | {"desc_act": True, "sym": False}
    del ordered["checkpoint_format"]  # as auto-gptq before 0.7
    assert _declared(tmp_path, ordered) == PackedLayout(
        format=Format.GPTQ, group_size=64, any_order=True, zero_offset=1
    )
    later = gptq_config(64) | {"checkpoint_format": "gptq_v2"}
    found = _declared(tmp_path, later)
    assert found is not None
    assert found.zero_offset == 0


@pytest.mark.parametrize("config", [None, {"quant_method": "compressed-tensors"}])
def test_other_folders_declare_no_packed_layout(tmp_path: Path, config: object) -> None:
    assert _declared(tmp_path, config) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bits", 8),
        ("version", "gemv"),
        ("version", None),
        ("zero_point", False),
        ("group_size", None),
        ("group_size", 0),
        ("group_size", True),
        ("group_size", "128"),
    ],
)
def test_another_awq_is_refused_by_its_key(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=f"quantization_config.{key} is {value!r}"):
        _declared(tmp_path, awq_config(128, ()) | {key: value})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("key", "value"),
    [("bits", 3), ("sym", None), ("desc_act", "no"), ("checkpoint_format", "marlin")],
)
def test_another_gptq_is_refused_by_its_key(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=f"quantization_config.{key} is {value!r}"):
        _declared(tmp_path, gptq_config(128) | {key: value})  # type: ignore[dict-item]


def _with_options(recipe: Recipe, **changes: object) -> Recipe:
    assert isinstance(recipe.options, CompressedTensorsOptions)
    return replace(recipe, options=replace(recipe.options, **changes))  # type: ignore[arg-type]


UP = TensorFacts(name="model.layers.0.mlp.up_proj.weight", shape=(256, 128), dtype="F16")
HEAD = TensorFacts(name="lm_head.weight", shape=(256, 128), dtype="F16")
MISFITS: dict[str, tuple[Recipe, tuple[TensorFacts, ...], str]] = {
    "zero points in gptq": (
        _with_options(RECIPES["GPTQ"], scheme="W4A16_ASYM"),
        (UP,),
        "the gptq layout holds W4A16, not W4A16_ASYM",
    ),
    "eight bits": (_with_options(RECIPES["AWQ"], scheme="W8A16"), (UP,), "not W8A16"),
    "low-bit cache": (_with_options(RECIPES["AWQ"], kv_cache="fp8"), (UP,), "KV-cache scales"),
    "output head": (
        _with_options(RECIPES["AWQ"], ignore=()),
        (UP, HEAD),
        "expect lm_head.weight in full precision",
    ),
    "odd outputs": (
        RECIPES["AWQ"],
        (replace(UP, shape=(252, 128)),),
        "is 252 x 128, and the awq layout packs eight outputs to a word",
    ),
    "odd outputs in gptq": (
        RECIPES["GPTQ"],
        (replace(UP, shape=(252, 128)),),
        "packs eight inputs, and eight outputs, to a word",
    ),
    "a layer left out of gptq": (
        _with_options(RECIPES["GPTQ"], ignore=("lm_head", r"re:.*up_proj")),
        (UP, replace(UP, name="model.layers.0.mlp.down_proj.weight")),
        "up_proj.weight stays whole",
    ),
}


@pytest.mark.parametrize("case", MISFITS)
def test_what_cannot_stand_in_a_layout_is_told_before_it_is_built(
    case: str, tmp_path: Path
) -> None:
    recipe, tensors, sentence = MISFITS[case]
    checkpoint = replace(fake_checkpoint(tmp_path / "base"), tensors=tensors)
    found = misfits(checkpoint, recipe)
    assert len(found) == 1
    assert sentence in found[0]


def test_awq_can_say_which_layers_are_left_out(tmp_path: Path) -> None:
    recipe = _with_options(RECIPES["AWQ"], ignore=("lm_head", r"re:.*up_proj"))
    tensors = (UP, replace(UP, name="model.layers.0.mlp.down_proj.weight"))
    checkpoint = replace(fake_checkpoint(tmp_path / "base"), tensors=tensors)
    assert misfits(checkpoint, recipe) == ()
    assert misfits(checkpoint, replace(recipe, format=Format.COMPRESSED_TENSORS)) == ()


@dataclass
class FakeWorkers:
    """Stands for both workers: leaves a file where each is told to write, and replies with its facts."""

    outputs: list[Path] = field(default_factory=list)

    def __call__(
        self, call: WorkerCall, reply_type: type[Any], on_progress: OnProgress
    ) -> WorkerReply[Any]:
        request = call.request
        assert isinstance(request, CompressCall | RepackCall)
        assert request.output.is_dir()
        self.outputs.append(request.output)
        (request.output / "config.json").write_text(reply_type.__name__)
        if isinstance(request, RepackCall):
            assert (request.compressed / "config.json").is_file()
            packed = QuantizedTensor(
                name=UP.name, type="int4", parameter_count=9, bits_per_weight=4.2, quantized=True
            )
            return _reply(RepackFacts(tensors=(packed,), nonfinite_tensors=()), memory=5)
        facts = CompressFacts(
            tensors=(),
            promised=(UP.name,),
            calibration_sequences=2,
            calibration_tokens=20,
            nonfinite_tensors=("of the folder that does not stay",),
            warnings=("careful",),
        )
        return _reply(facts, memory=7)


def _reply(value: Any, *, memory: int) -> WorkerReply[Any]:
    return WorkerReply(value=value, seconds=1.5, peak_memory_bytes=memory)


def test_a_build_repacks_and_keeps_nothing_between(tmp_path: Path) -> None:
    workers, backend = FakeWorkers(), LlmCompressorBackend()
    output = tmp_path / "output"
    output.mkdir()
    request = BuildRequest(
        checkpoint=replace(fake_checkpoint(tmp_path / "base"), tensors=(UP,)),
        recipe=RECIPES["GPTQ"],
        calibration=CalibrationTokens(
            file=tmp_path / "tokens.jsonl",
            corpus_label="c@1",
            corpus_digest=Digest("0" * 64),
            sequence_count=2,
            token_count=20,
            max_length_tokens=10,
        ),
        output=output,
        scratch=tmp_path / "scratch",
        log=tmp_path / "log",
        toolchain=backend.toolchain(threads=1),
    )
    built = backend.build(request, workers, ignore_progress)
    assert built.artifact == output
    assert workers.outputs[0].parent == workers.outputs[1] == output
    assert [path.name for path in output.iterdir()] == ["config.json"]
    assert (output / "config.json").read_text() == "RepackFacts"
    facts = built.facts
    assert (facts.promised, facts.missed, facts.nonfinite_tensors) == ((UP.name,), (), ())
    assert (facts.calibration_tokens, facts.warnings) == (20, ("careful",))
    assert (facts.seconds, facts.peak_memory_bytes) == (3.0, 7)


def test_a_written_file_reads_back_aligned(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    arrays: dict[str, Array] = {
        "short": np.array([1, 2, 3], dtype=np.float16),
        "a long": np.array([[4]], dtype=np.int64),
        "word": np.array([5, 6, 7], dtype=np.int32),
    }
    write_tensors(path, arrays)
    found = {tensor.name: tensor for tensor in read_header(path)}
    assert {name: read_array(tensor).tolist() for name, tensor in found.items()} == {
        name: array.tolist() for name, array in arrays.items()
    }
    assert all(t.start % (t.size_bytes // t.parameter_count) == 0 for t in found.values())


def test_bfloat16_is_read_as_the_float_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_tensors(path, {"x": np.array([0x3FC0, 0xC000], dtype=np.float16)})
    (stored,) = read_header(path)
    path.write_bytes(path.read_bytes()[: stored.start] + b"\xc0\x3f\x00\xc0")
    assert read_array(replace(stored, dtype="BF16")).tolist() == [1.5, -2.0]


def test_a_file_that_ends_early_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_tensors(path, {"x": np.arange(4, dtype=np.int32)})
    (stored,) = read_header(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="ends inside x"):
        read_array(stored)
