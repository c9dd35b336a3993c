"""MXFP4 experts: values by hand, and what config.json has to say."""

from pathlib import Path

import numpy as np

from quantgate.pipelines.checkpoints.numerics import parameter_count, stored_quantization
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.formats.packed.mxfp4 import expanded_expert
from quantgate.pipelines.formats.packed.mxfp4_layout import BLOCK, is_mxfp4
from quantgate.pipelines.formats.safetensors import read_tensors
from tests.support.models.checkpoints import edit_json, write_checkpoint, write_safetensors


def test_a_byte_holds_two_values_the_first_in_its_lower_half() -> None:
    blocks = np.zeros((2, 1, BLOCK // 2), dtype=np.uint8)
    blocks[0, 0, 0] = 0x21  # 0.5 and 1
    blocks[0, 0, 15] = 0xF7  # 6 and -6
    blocks[1, 0, 0] = 0x98  # -0 and -0.5
    scales = np.array([[128], [126]], dtype=np.uint8)  # times 2, times a half
    values = expanded_expert(blocks, scales)
    assert values.shape == (BLOCK, 2)
    assert values[:2, 0].tolist() == [1.0, 2.0]
    assert values[30:, 0].tolist() == [12.0, -12.0]
    assert values[1, 1] == -0.25
    assert np.signbit(values[0, 1])
    assert not values[2:30].any()


def test_the_smallest_scale_is_no_underflow() -> None:
    blocks = np.full((1, 1, BLOCK // 2), 0x22, dtype=np.uint8)
    values = expanded_expert(blocks, np.zeros((1, 1), dtype=np.uint8))
    assert set(values.ravel().tolist()) == {2.0**-127}


def test_config_json_says_so_and_weights_are_counted_two_a_byte(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "demo")
    assert not is_mxfp4(folder)
    edit_json(folder / "config.json", quantization_config={"quant_method": "mxfp4"})
    write_safetensors(
        folder / "model.safetensors",
        {
            "model.layers.0.mlp.experts.down_proj_blocks": np.zeros((2, 8, 3, 16), dtype=np.uint8),
            "model.layers.0.mlp.experts.down_proj_scales": np.zeros((2, 8, 3), dtype=np.uint8),
            "model.norm.weight": np.zeros(8, dtype=np.float16),
        },
    )
    stored = stored_quantization(folder)
    assert stored is not None
    assert stored.format is Format.MXFP4
    assert str(stored) == "W4f/A16/KV16, mxfp4 in blocks of 32"
    assert stored.short == "MXFP4 in blocks of 32"
    assert parameter_count(read_tensors(folder), stored) == 2 * 8 * 96 + 8
