"""What is told of an AWQ or GPTQ folder from its headers."""

import math
from pathlib import Path

from quantgate.pipelines.formats.packed.facts import stored_tensors
from quantgate.pipelines.formats.safetensors import DTYPE_BITS, StoredTensor

LAYER, EMBEDDING = "model.layers.0.mlp.up_proj", "model.embed_tokens.weight"


def _tensor(name: str, dtype: str, *shape: int) -> StoredTensor:
    size = math.prod(shape) * DTYPE_BITS[dtype] // 8
    return StoredTensor(
        name=name, dtype=dtype, shape=shape, file=Path("x"), start=0, size_bytes=size
    )


BASE = (_tensor(f"{LAYER}.weight", "F16", 256, 128), _tensor(EMBEDDING, "F16", 10, 128))
AWQ = (
    _tensor(f"{LAYER}.qweight", "I32", 128, 32),
    _tensor(f"{LAYER}.qzeros", "I32", 1, 32),
    _tensor(f"{LAYER}.scales", "F16", 1, 256),
    _tensor(EMBEDDING, "F16", 10, 128),
)


def test_scales_and_zero_points_count_as_bits_of_the_weight() -> None:
    embedding, layer = stored_tensors(BASE, AWQ)
    assert (layer.name, layer.type, layer.quantized) == (f"{LAYER}.weight", "int4", True)
    assert layer.bits_per_weight == 4 + 16 / 128 + 4 / 128
    assert (embedding.type, embedding.bits_per_weight, embedding.quantized) == ("F16", 16, False)


def test_group_indices_of_gptq_count_too() -> None:
    _, layer = stored_tensors(BASE, (*AWQ, _tensor(f"{LAYER}.g_idx", "I32", 128)))
    assert layer.bits_per_weight == 4 + 16 / 128 + 4 / 128 + 32 / 256


def test_a_layer_without_scales_is_not_quantized() -> None:
    _, layer = stored_tensors(BASE, (AWQ[0], AWQ[1], AWQ[3]))
    assert not layer.quantized


def test_a_layer_that_is_there_twice_is_not_quantized() -> None:
    _, layer = stored_tensors(BASE, (*AWQ, _tensor(f"{LAYER}.weight", "F16", 256, 128)))
    assert not layer.quantized


def test_a_tensor_of_which_nothing_was_written_is_missing() -> None:
    _, layer = stored_tensors(BASE, AWQ[3:])
    assert (layer.type, layer.quantized, layer.bits_per_weight) == ("missing", False, 0.0)


def test_a_tensor_that_the_base_does_not_have_is_shown() -> None:
    names = [t.name for t in stored_tensors(BASE, (*AWQ, _tensor("stray", "F16", 4)))]
    assert "stray" in names
