"""Facts of a built folder come from its bytes: what is quantized, at what cost, and what is missing."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipelines.backends.llmcompressor_facts import packed_type, stored_tensors
from pipelines.domain.variant import QuantizedTensor
from pipelines.files.safetensors_header import StoredTensor, read_header
from pipelines.files.safetensors_values import nonfinite_tensors
from tests.tiny_checkpoints import write_raw, write_safetensors

NAME = "model.layers.0.mlp.up_proj"


def _base(folder: Path) -> tuple[StoredTensor, ...]:
    tensors = {
        f"{NAME}.weight": np.zeros((256, 128), np.float16),
        "norm.weight": np.ones(128, np.float16),
    }
    write_safetensors(folder / "base.safetensors", tensors)
    return read_header(folder / "base.safetensors")


def _written(
    folder: Path, shapes: dict[str, tuple[str, list[int], int]]
) -> tuple[StoredTensor, ...]:
    header, position = {}, 0
    for name, (dtype, shape, size) in shapes.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + size]}
        position += size
    write_raw(folder / "written.safetensors", header, bytes(position))
    return read_header(folder / "written.safetensors")


def _facts(
    folder: Path, shapes: dict[str, tuple[str, list[int], int]]
) -> dict[str, QuantizedTensor]:
    found = stored_tensors(_base(folder), _written(folder, shapes), packed_type="int4")
    return {tensor.name: tensor for tensor in found}


def test_packed_weights_cost_their_bits_and_their_scales(tmp_path: Path) -> None:
    """4 bits, a bf16 scale for each 128 weights, and 16 bytes of shape: 4.125 + 0.004."""
    facts = _facts(
        tmp_path,
        {
            f"{NAME}.weight_packed": ("I32", [256, 16], 256 * 16 * 4),
            f"{NAME}.weight_scale": ("BF16", [256, 1], 512),
            f"{NAME}.weight_shape": ("I64", [2], 16),
            "norm.weight": ("BF16", [128], 256),
        },
    )
    up = facts[f"{NAME}.weight"]
    assert (up.type, up.quantized, up.parameter_count) == ("int4", True, 256 * 128)
    assert up.bits_per_weight == pytest.approx(4.125 + 128 / (256 * 128))
    assert not facts["norm.weight"].quantized


def test_activation_scales_are_not_counted_as_weights(tmp_path: Path) -> None:
    facts = _facts(
        tmp_path,
        {
            f"{NAME}.weight_packed": ("U8", [256, 64], 256 * 64),
            f"{NAME}.weight_scale": ("F8_E4M3", [256, 8], 256 * 8),
            f"{NAME}.weight_global_scale": ("F32", [1], 4),
            f"{NAME}.input_global_scale": ("F32", [1], 4),
        },
    )
    assert f"{NAME}.input_global_scale" not in facts
    assert facts[f"{NAME}.weight"].bits_per_weight == pytest.approx(4.5 + 32 / (256 * 128))


def test_eight_bit_weights_count_as_quantized_only_with_their_scales(tmp_path: Path) -> None:
    with_scale = {
        f"{NAME}.weight": ("F8_E4M3", [256, 128], 256 * 128),
        f"{NAME}.weight_scale": ("BF16", [256, 1], 512),
    }
    assert _facts(tmp_path, with_scale)[f"{NAME}.weight"].quantized
    without = {f"{NAME}.weight": ("F8_E4M3", [256, 128], 256 * 128)}
    assert not _facts(tmp_path, without)[f"{NAME}.weight"].quantized


def test_an_untouched_weight_is_not_quantized_and_costs_sixteen_bits(tmp_path: Path) -> None:
    facts = _facts(tmp_path, {f"{NAME}.weight": ("BF16", [256, 128], 256 * 128 * 2)})
    up = facts[f"{NAME}.weight"]
    assert (up.type, up.quantized, up.bits_per_weight) == ("BF16", False, 16.0)


def test_a_base_weight_that_was_not_written_is_reported_missing(tmp_path: Path) -> None:
    facts = _facts(tmp_path, {"norm.weight": ("BF16", [128], 256)})
    up = facts[f"{NAME}.weight"]
    assert (up.type, up.quantized, up.bits_per_weight) == ("missing", False, 0.0)


@pytest.mark.parametrize(
    ("written", "weights", "expected"),
    [
        ("pack-quantized", {"type": "int", "num_bits": 4}, "int4"),
        ("nvfp4-pack-quantized", {"type": "float", "num_bits": 4}, "nvfp4"),
        ("mxfp4-pack-quantized", {"type": "float", "num_bits": 4}, "mxfp4"),
    ],
)
def test_packed_weights_are_called_what_the_configuration_calls_them(
    written: str, weights: dict[str, object], expected: str, tmp_path: Path
) -> None:
    groups = {"group_0": {"format": written, "weights": weights}}
    config = {"quantization_config": {"config_groups": groups}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert packed_type(tmp_path) == expected


def test_nan_in_float8_is_found_and_its_largest_value_is_not_one(tmp_path: Path) -> None:
    sound, damaged = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    sound[0, 0], damaged[0, 0] = 0x7E, 0xFF
    write_safetensors(tmp_path / "m.safetensors", {"sound": sound, "damaged": damaged})
    assert nonfinite_tensors(read_header(tmp_path / "m.safetensors")) == ("damaged",)
