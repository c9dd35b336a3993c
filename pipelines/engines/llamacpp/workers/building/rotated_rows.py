"""Rows of queries and keys in the order in which llama.cpp rotates them, where a part of a head is rotated.

transformers rotates value i of a head's rotated part together with value i + half of that part; llama.cpp's
Granite hybrids rotate neighbours. The converter reorders the rows of whole heads for it (`LlamaModel.permute`
in conversion/llama.py), which is right where all of a head is rotated. Bamba's are rotated by half: of every
head the rotated rows alone have to be reordered. (Measured on a random checkpoint: 0.028 nats a token with
whole heads reordered, 5e-7 with the rotated part.)
"""

import importlib
from pathlib import Path
from typing import Any

from quantgate.pipelines.checkpoints.config import head_size
from quantgate.pipelines.engines.llamacpp.released_config import ROTATED, as_released
from quantgate.pipelines.files.json_files import read_json_object
from quantgate.pipelines.formats.configuration.language_config import language_part


def reorder_rotated_rows(checkpoint: Path) -> None:
    """Have the converter reorder the rotated rows of heads alone, where those are fewer than all."""
    config = as_released(read_json_object(checkpoint / "config.json"))
    rotated, size = language_part(config).get(ROTATED), head_size(checkpoint)
    if not isinstance(rotated, int) or size is None or not 0 < rotated < size:
        return
    model = importlib.import_module("conversion.llama").LlamaModel
    upstream = model.permute

    def permute(weights: Any, heads: int, kv_heads: int | None) -> Any:
        count = kv_heads or heads
        each = weights.reshape(count, size, *weights.shape[1:])
        first = each[:, :rotated].reshape(count * rotated, *weights.shape[1:])
        reordered = each.clone()
        reordered[:, :rotated] = upstream(first, count, count).reshape(each[:, :rotated].shape)
        return reordered.reshape(weights.shape)

    model.permute = staticmethod(permute)
