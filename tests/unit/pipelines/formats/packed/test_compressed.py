"""Facts of a built folder come from its bytes: what is quantized, at what cost, and what is missing."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quantgate.pipelines.domain.variant import BuildFacts, QuantizedTensor
from quantgate.pipelines.formats.nonfinite import nonfinite_tensors
from quantgate.pipelines.formats.packed.compressed import (
    StoredScheme,
    stored_scheme,
    stored_tensors,
    unsound_tensors,
)
from quantgate.pipelines.formats.safetensors import StoredTensor, read_header
from tests.support.models.checkpoints import write_raw, write_safetensors

NAME = "model.layers.0.mlp.up_proj"
ATTENTION = "model.layers.0.self_attn"
INT4 = StoredScheme(weight_type="int4", activation_scale=None, exponent_scales=False)
FP8 = StoredScheme(weight_type="float8", activation_scale="input_scale", exponent_scales=False)
MXFP8 = StoredScheme(weight_type="mxfp8", activation_scale=None, exponent_scales=True)


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
    return _by_name(_base(folder), _written(folder, shapes), INT4)


def _by_name(
    base: tuple[StoredTensor, ...], written: tuple[StoredTensor, ...], scheme: StoredScheme
) -> dict[str, QuantizedTensor]:
    return {tensor.name: tensor for tensor in stored_tensors(base, written, scheme)}


def _fp8(folder: Path, **others: np.ndarray) -> dict[str, QuantizedTensor]:
    """A folder with an FP8 weight, its scale, and whatever else (`__` stands for a dot)."""
    tensors: dict[str, np.ndarray] = {
        f"{NAME}.weight": np.zeros((256, 128), np.uint8),
        f"{NAME}.weight_scale": np.ones(1, np.float32),
    }
    tensors |= {name.replace("__", "."): values for name, values in others.items()}
    write_safetensors(folder / "written.safetensors", tensors)
    return _by_name(_base(folder), read_header(folder / "written.safetensors"), FP8)


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


def test_fixed_activation_scales_belong_to_what_was_promised(tmp_path: Path) -> None:
    name = f"{NAME}.weight"
    sound = {f"{NAME.replace('.', '__')}__input_scale": np.full(1, 0.5, np.float32)}
    assert _fp8(tmp_path, **sound)[name].quantized
    assert not _fp8(tmp_path)[name].quantized


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_an_activation_scale_that_cannot_scale_is_none(value: float, tmp_path: Path) -> None:
    broken = {f"{NAME.replace('.', '__')}__input_scale": np.full(1, value, np.float32)}
    assert not _fp8(tmp_path, **broken)[f"{NAME}.weight"].quantized


def _cached(folder: Path, key_scale: float) -> BuildFacts:
    tensors = {
        f"{NAME}.weight": np.zeros((256, 128), np.float16),
        f"{ATTENTION}.k_scale": np.full(1, key_scale, np.float16),
        f"{ATTENTION}.v_scale": np.full(1, 0.5, np.float16),
    }
    write_safetensors(folder / "written.safetensors", tensors)
    scheme = StoredScheme(weight_type="", activation_scale=None, exponent_scales=False)
    return BuildFacts(
        tensors=stored_tensors(_base(folder), read_header(folder / "written.safetensors"), scheme),
        promised=(f"{ATTENTION}.k_scale", f"{ATTENTION}.v_scale"),
        calibration_sequences=1,
        calibration_tokens=1,
        nonfinite_tensors=(),
        warnings=(),
        seconds=0.0,
        peak_memory_bytes=0,
    )


def test_a_quantized_cache_alone_leaves_weights_at_sixteen_bits(tmp_path: Path) -> None:
    facts = _cached(tmp_path, key_scale=0.25)
    assert facts.missed == ()
    assert facts.bits_per_weight == 16.0


@pytest.mark.parametrize("value", [0.0, -0.25, np.nan, np.inf])
def test_a_cache_scale_that_cannot_scale_is_missed(value: float, tmp_path: Path) -> None:
    assert _cached(tmp_path, key_scale=value).missed == (f"{ATTENTION}.k_scale",)


def test_a_cache_scale_that_was_not_written_is_missed(tmp_path: Path) -> None:
    facts = _cached(tmp_path, key_scale=0.25)
    other = f"{ATTENTION.replace('0', '1')}.k_scale"
    assert replace(facts, promised=(*facts.promised, other)).missed == (other,)


FIXED = {"num_bits": 8, "dynamic": False}
LOCAL = {"num_bits": 4, "dynamic": "local"}
BY_TOKEN = {"num_bits": 8, "dynamic": True}


@pytest.mark.parametrize(
    ("written", "weights", "activations", "expected"),
    [
        ("pack-quantized", ("int", 4), None, INT4),
        ("nvfp4-pack-quantized", ("float", 4), LOCAL, ("nvfp4", "input_global_scale", False)),
        ("mxfp4-pack-quantized", ("float", 4), None, ("mxfp4", None, True)),
        ("mxfp8-quantized", ("float", 8), BY_TOKEN, ("mxfp8", None, True)),
        ("float-quantized", ("float", 8), FIXED, ("float8", "input_scale", False)),
    ],
)
def test_what_layers_are_is_read_from_the_configuration(
    written: str,
    weights: tuple[str, int],
    activations: dict[str, object] | None,
    expected: StoredScheme | tuple[str, str | None, bool],
    tmp_path: Path,
) -> None:
    group = {
        "format": written,
        "weights": {"type": weights[0], "num_bits": weights[1]},
        "input_activations": activations,
    }
    config = {"quantization_config": {"config_groups": {"group_0": group}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = stored_scheme(tmp_path)
    if isinstance(expected, tuple):
        assert (found.weight_type, found.activation_scale, found.exponent_scales) == expected
    else:
        assert found == expected


def configured(folder: Path, **quantization: object) -> StoredScheme:
    (folder / "config.json").write_text(json.dumps({"quantization_config": quantization}))
    return stored_scheme(folder)


def test_a_format_that_all_groups_share_may_stand_outside_of_them(tmp_path: Path) -> None:
    group = {"weights": {"type": "int", "num_bits": 4}, "input_activations": None}
    assert configured(tmp_path, format="pack-quantized", config_groups={"group_0": group}) == INT4
    small = {"weights": {"type": "float", "num_bits": 4}}
    scheme = configured(tmp_path, format="nvfp4-pack-quantized", config_groups={"group_0": small})
    assert scheme.weight_type == "nvfp4"


def test_of_several_groups_only_what_all_need_is_needed(tmp_path: Path) -> None:
    static = {"weights": {"type": "float", "num_bits": 8}, "input_activations": FIXED}
    plain = {"weights": {"type": "int", "num_bits": 4}, "input_activations": None}
    scheme = configured(tmp_path, config_groups={"group_0": static, "group_1": plain})
    assert (scheme.weight_type, scheme.activation_scale) == ("float8", None)
    scheme = configured(tmp_path, config_groups={"group_0": static, "group_1": static})
    assert scheme.activation_scale == "input_scale"


def test_nan_in_an_exponent_scale_is_found_though_it_is_stored_as_a_byte(tmp_path: Path) -> None:
    """E8M0 has one NaN, 0xFF."""
    shape = ("U8", [256, 4], 256 * 4)
    header = {
        f"{NAME}.weight_scale": {
            "dtype": shape[0],
            "shape": shape[1],
            "data_offsets": [0, shape[2]],
        }
    }
    write_raw(tmp_path / "m.safetensors", header, bytes([127] * (shape[2] - 1) + [0xFF]))
    tensors = read_header(tmp_path / "m.safetensors")
    assert unsound_tensors(tensors, MXFP8) == (f"{NAME}.weight_scale",)
    assert unsound_tensors(tensors, INT4) == ()


def test_nan_in_float8_is_found_and_its_largest_value_is_not_one(tmp_path: Path) -> None:
    sound, damaged = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    sound[0, 0], damaged[0, 0] = 0x7E, 0xFF
    write_safetensors(tmp_path / "m.safetensors", {"sound": sound, "damaged": damaged})
    assert nonfinite_tensors(read_header(tmp_path / "m.safetensors")) == ("damaged",)
