"""Experts and routers told from names and shapes: apart, fused either way, and what stands beside them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from quantgate.pipelines.domain.checkpoint import TensorFacts
from quantgate.pipelines.formats.experts import (
    as_llmcompressor_names,
    base_counts,
    experts_apart,
    fused_parts,
    routers,
)
from quantgate.pipelines.formats.safetensors import StoredTensor

Shapes = Mapping[str, tuple[int, ...]]

GPT_OSS: Shapes = {
    "model.layers.0.mlp.experts.gate_up_proj": (4, 64, 96),
    "model.layers.0.mlp.experts.gate_up_proj_bias": (4, 96),
    "model.layers.0.mlp.experts.down_proj": (4, 48, 64),
    "model.layers.0.mlp.experts.down_proj_bias": (4, 64),
    "model.layers.0.mlp.router.weight": (4, 64),
}
GRANITE: Shapes = {
    "model.layers.0.block_sparse_moe.input_linear.weight": (4, 96, 64),
    "model.layers.0.block_sparse_moe.output_linear.weight": (4, 64, 48),
    "model.layers.0.block_sparse_moe.router.layer.weight": (4, 64),
}
APART: Shapes = {
    "model.layers.1.mlp.gate.weight": (4, 64),
    "model.layers.1.mlp.shared_expert_gate.weight": (1, 64),
    "model.layers.1.mlp.shared_expert.gate_proj.weight": (48, 64),
    "model.layers.1.self_attn.q_proj.weight": (4, 64),
    **{f"model.layers.1.mlp.experts.{n}.gate_proj.weight": (48, 64) for n in range(4)},
}


def _tensors(shapes: Shapes) -> tuple[TensorFacts, ...]:
    return tuple(TensorFacts(name=n, shape=s, dtype="BF16") for n, s in shapes.items())


def test_fused_experts_become_a_matrix_and_a_bias_each() -> None:
    apart = {tensor.name: tensor.shape for tensor in experts_apart(_tensors(GPT_OSS))}
    assert len(apart) == 1 + 4 * 6
    assert apart["model.layers.0.mlp.experts.3.gate_proj.weight"] == (48, 64)
    assert apart["model.layers.0.mlp.experts.3.up_proj.bias"] == (48,)
    assert apart["model.layers.0.mlp.experts.3.down_proj.weight"] == (64, 48)
    assert apart["model.layers.0.mlp.router.weight"] == (4, 64)


def test_which_side_is_the_inputs_shows_where_gate_and_up_meet_down() -> None:
    (gpt_oss,) = {part.transposed for part in fused_parts(GPT_OSS).values()}
    (granite,) = {part.transposed for part in fused_parts(GRANITE).values()}
    assert (gpt_oss, granite) == (True, False)
    assert fused_parts(GRANITE)[
        "model.layers.0.block_sparse_moe.experts.0.up_proj.weight"
    ].shape == (
        48,
        64,
    )


def test_what_has_three_dimensions_and_is_no_expert_stays() -> None:
    convolution: Shapes = {"model.layers.0.mamba.conv1d.weight": (64, 1, 4)}
    assert fused_parts(convolution) == {}
    assert experts_apart(_tensors(convolution)) == _tensors(convolution)


def test_routers_are_what_stands_beside_experts_with_an_output_for_each() -> None:
    assert routers(APART) == {
        "model.layers.1.mlp.gate.weight",
        "model.layers.1.mlp.shared_expert_gate.weight",
    }


@pytest.mark.parametrize("fused", [GPT_OSS, GRANITE])
def test_routers_of_fused_experts_show_once_those_are_apart(
    fused: Shapes,
) -> None:
    shapes = {tensor.name: tensor.shape for tensor in experts_apart(_tensors(fused))}
    (router,) = routers(shapes)
    assert "router" in router


def test_a_dense_model_has_no_routers() -> None:
    assert routers({"model.layers.0.mlp.gate_proj.weight": (1, 64)}) == frozenset()


def test_mixtrals_words_are_llm_compressors_too() -> None:
    name = "model.layers.1.block_sparse_moe.experts.3.w2.weight"
    assert as_llmcompressor_names(name) == "model.layers.1.mlp.experts.3.down_proj.weight"
    for same in (*APART, "model.layers.0.mlp.w1.weight"):
        assert as_llmcompressor_names(same) == same


def test_a_bases_fused_weights_count_apart_only_where_they_were_written_so() -> None:
    base = [
        StoredTensor(name=n, dtype="BF16", shape=s, file=Path("x"), start=0, size_bytes=0)
        for n, s in GRANITE.items()
    ]
    expert = "model.layers.0.block_sparse_moe.experts.2.down_proj.weight"
    assert base_counts(base, {expert})[expert] == 48 * 64
    fused = "model.layers.0.block_sparse_moe.output_linear.weight"
    assert base_counts(base, {expert}).keys() >= {
        "model.layers.0.block_sparse_moe.input_linear.weight"
    }
    assert fused not in base_counts(base, {expert})
    assert base_counts(base, set())[fused] == 4 * 48 * 64
