"""FP8 in squares: declared in one way that is known, costed with its scales."""

from pathlib import Path

import numpy as np
import pytest

from quantgate.pipelines.checkpoints.numerics import parameter_count, stored_quantization
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.engines.written import written_tensors
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.packed.block_fp8 import stored_square
from quantgate.pipelines.formats.safetensors import read_tensors
from tests.support.models.checkpoints import weights, write_checkpoint, write_safetensors
from tests.support.models.foreign import planned, quantize


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = write_checkpoint(tmp_path / "demo-FP8")
    stored = {}
    for name, values in weights().items():
        if "proj" not in name:
            stored[name] = values
            continue
        rows, columns = (-(-size // 128) for size in values.shape)
        stored[name] = np.full(values.shape, 0x38, dtype=np.uint8)
        stored[f"{name}_scale_inv"] = np.ones((rows, columns), dtype=np.float32)
    write_safetensors(folder / "model.safetensors", stored)
    quantize(folder, quant_method="fp8", activation_scheme="dynamic", weight_block_size=[128, 128])
    return folder


def test_weights_cost_a_byte_and_their_share_of_scales(folder: Path) -> None:
    base = read_tensors(write_checkpoint(folder.parent / "base"))
    written = written_tensors(Format.FP8, base, read_tensors(folder), folder)
    low = [tensor for tensor in written if tensor.quantized]
    assert len(low) == 14
    assert {tensor.type for tensor in low} == {"F8_E4M3"}
    assert all(8 < tensor.bits_per_weight < 8.01 for tensor in low)
    assert {tensor.name for tensor in written} == {tensor.name for tensor in base}


def test_it_is_judged_with_activations_as_they_are(folder: Path, store: Store) -> None:
    stored = stored_quantization(folder)
    assert str(stored) == "W8f/A16/KV16, fp8 in squares of 128"
    full = sum(values.size for values in weights().values())
    assert parameter_count(read_tensors(folder), stored) == full
    (recipe,) = planned(folder, store=store)
    assert (recipe.name, recipe.format, recipe.runtime) == (
        "foreign--FP8",
        Format.FP8,
        "transformers",
    )


def test_squares_of_128_go_without_saying(folder: Path) -> None:
    quantize(folder, quant_method="fp8")
    assert stored_square(folder) == 128
    quantize(folder, quant_method="awq")
    assert stored_square(folder) is None


@pytest.mark.parametrize(
    "said",
    [
        {"weight_block_size": [128, 64]},
        {"weight_block_size": None},
        {"weight_block_size": [0, 0]},
        {"activation_scheme": "static"},
        {"fmt": "e5m2"},
    ],
)
def test_other_ways_are_refused_by_their_key(said: dict[str, object], folder: Path) -> None:
    quantize(folder, quant_method="fp8", **said)
    with pytest.raises(CheckpointError, match=f"quantization_config.{next(iter(said))} is"):
        stored_square(folder)
