"""The adapter that the smollm2 example commits: small, whole, and the one that its page speaks of."""

import json
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.formats.safetensors import read_header
from tests.support.scripts import SMOLLM2, importable_scripts

FOLDER = SMOLLM2 / "adapter"
WEIGHTS = FOLDER / "adapter_model.safetensors"
LAYERS = 30
SHAPES = {
    "self_attn.q_proj": (576, 576),
    "self_attn.k_proj": (192, 576),
    "self_attn.v_proj": (192, 576),
    "self_attn.o_proj": (576, 576),
    "mlp.gate_proj": (1536, 576),
    "mlp.up_proj": (1536, 576),
    "mlp.down_proj": (576, 1536),
}
"""Rows and columns of every linear layer of SmolLM2-135M."""


@pytest.fixture(scope="module")
def adapter() -> Iterator[Any]:
    with importable_scripts():
        yield import_module("adapter")


def test_it_has_two_matrices_of_its_rank_for_every_linear_layer_and_nothing_else(
    adapter: Any,
) -> None:
    expected = {}
    for layer in range(LAYERS):
        for name, (rows, columns) in SHAPES.items():
            stem = f"base_model.model.model.layers.{layer}.{name}"
            expected[f"{stem}.lora_A.weight"] = (adapter.RANK, columns)
            expected[f"{stem}.lora_B.weight"] = (rows, adapter.RANK)
    tensors = read_header(WEIGHTS)
    assert {tensor.name: tensor.shape for tensor in tensors} == expected
    assert {tensor.dtype for tensor in tensors} == {"BF16"}
    config = json.loads((FOLDER / "adapter_config.json").read_text(encoding="utf-8"))
    assert (config["r"], config["lora_alpha"]) == (adapter.RANK, adapter.ALPHA)


def test_it_is_smaller_than_ten_megabytes_and_the_one_of_the_page() -> None:
    assert WEIGHTS.stat().st_size < 10_000_000
    page = (SMOLLM2 / "README.md").read_text(encoding="utf-8")
    named = re.search(r"adapter_model\.safetensors` \(sha256 `([0-9a-f]{64})`", page)
    assert named and named[1] == file_digest(WEIGHTS)
