"""Where smoothing fits by llm-compressor's own tables, and every reason why it does not."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.checkpoint import Checkpoint, TensorFacts
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions
from quantgate.pipelines.engines.llmcompressor.smoothing.misfits import (
    smoothing_misfits,
    smoothing_remarks,
)
from tests.support.fakes import fake_checkpoint

AWQ = CompressedTensorsOptions(scheme="W4A16", modifier="AWQModifier")
SMOOTHQUANT = CompressedTensorsOptions(
    scheme="W8A8", modifier="GPTQModifier", smoothing_strength=0.8
)
PLAIN = CompressedTensorsOptions(scheme="W8A8", modifier="GPTQModifier")
ATTENTION = [f"self_attn.{name}_proj" for name in "qkvo"]
NORMS = ["input_layernorm", "post_attention_layernorm"]
DENSE = [f"mlp.{name}_proj" for name in ("gate", "up", "down")]
EXPERTS = [f"mlp.experts.{n}.{name}_proj" for n in range(3) for name in ("gate", "up", "down")]
LLAMA = [*ATTENTION, *NORMS, *DENSE]
MIXTURE = [*ATTENTION, *NORMS, *EXPERTS, "mlp.gate"]


def _checkpoint(folder: Path, architecture: str, *blocks: Sequence[str]) -> Checkpoint:
    tensors = [
        TensorFacts(name=f"model.layers.{at}.{layer}.weight", shape=_shape(layer), dtype="BF16")
        for at, layers in enumerate(blocks)
        for layer in layers
    ]
    return replace(fake_checkpoint(folder), architecture=architecture, tensors=tuple(tensors))


def _shape(layer: str) -> tuple[int, ...]:
    if "norm" in layer:
        return (64,)
    return (3, 64) if layer.endswith((".gate", ".router")) else (64, 64)


def _reasons(checkpoint: Checkpoint, options: CompressedTensorsOptions) -> list[str]:
    return list(smoothing_misfits(checkpoint, options))


@pytest.mark.parametrize("options", [AWQ, SMOOTHQUANT])
@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "SmolLM3ForCausalLM"])
def test_llamas_layers_fit_whether_or_not_a_table_names_the_architecture(
    options: CompressedTensorsOptions, architecture: str, tmp_path: Path
) -> None:
    checkpoint = _checkpoint(tmp_path, architecture, LLAMA, LLAMA)
    assert _reasons(checkpoint, options) == []
    remarks = list(smoothing_remarks(checkpoint, options))
    assert len(remarks) == (architecture == "SmolLM3ForCausalLM")


def test_who_does_not_smooth_is_not_asked(tmp_path: Path) -> None:
    strange = _checkpoint(tmp_path, "SomethingNewForCausalLM", ["attn.c_attn"])
    assert _reasons(strange, PLAIN) == []
    assert list(smoothing_remarks(strange, PLAIN)) == []


@pytest.mark.parametrize("options", [AWQ, SMOOTHQUANT])
def test_an_architecture_that_no_table_names_is_refused_for_the_layers_it_lacks(
    options: CompressedTensorsOptions, tmp_path: Path
) -> None:
    olmo2 = _checkpoint(tmp_path, "Olmo2ForCausalLM", [*ATTENTION, NORMS[1], *DENSE])
    (sentence,) = _reasons(olmo2, options)
    assert sentence.endswith(
        "llm-compressor has no mappings for it, and Llama's name input_layernorm, which it lacks"
    )


def test_smoothquant_would_divide_a_norm_of_gemma_that_feeds_nothing_it_multiplies(
    tmp_path: Path,
) -> None:
    for architecture in ("Gemma2ForCausalLM", "Gemma3ForConditionalGeneration"):
        gemma = _checkpoint(tmp_path, architecture, [*LLAMA, "pre_feedforward_layernorm"])
        assert _reasons(gemma, AWQ) == []
        (sentence,) = _reasons(gemma, SMOOTHQUANT)
        assert sentence == (
            f"SmoothQuant cannot smooth {architecture}: llm-compressor would divide model.layers.0."
            "post_attention_layernorm, and model.layers.0.pre_feedforward_layernorm feeds what it multiplies"
        )


def test_a_mixture_fits_where_its_router_is_scaled_as_its_experts_are(tmp_path: Path) -> None:
    assert _reasons(_checkpoint(tmp_path, "Qwen3MoeForCausalLM", MIXTURE), AWQ) == []


def test_a_router_that_would_be_left_behind_is_named(tmp_path: Path) -> None:
    ernie = _checkpoint(tmp_path, "Ernie4_5_MoeForCausalLM", MIXTURE)
    (sentence,) = _reasons(ernie, AWQ)
    assert sentence.endswith(
        "would scale what model.layers.0.mlp.gate is fed and leave that as it is"
    )


def test_a_shared_expert_that_would_be_left_behind_is_named(tmp_path: Path) -> None:
    shared = [f"mlp.shared_expert.{name}_proj" for name in ("gate", "up", "down")]
    (sentence,) = _reasons(_checkpoint(tmp_path, "Qwen2MoeForCausalLM", [*MIXTURE, *shared]), AWQ)
    assert "what model.layers.0.mlp.shared_expert.gate_proj is fed" in sentence


def test_a_dense_layer_without_a_router_keeps_llm_compressor_from_telling_layers_apart(
    tmp_path: Path,
) -> None:
    glm = _checkpoint(tmp_path, "Glm4MoeForCausalLM", LLAMA, MIXTURE)
    (sentence,) = _reasons(glm, AWQ)
    assert "scale mlp.gate behind model.layers.0.post_attention_layernorm" in sentence


def test_smoothing_attention_alone_leaves_a_mixture_as_it_is(tmp_path: Path) -> None:
    spelled = [
        layer.replace("mlp.", "block_sparse_moe.")
        .replace("gate_proj", "w1")
        .replace("up_proj", "w3")
        .replace("down_proj", "w2")
        for layer in MIXTURE
    ]
    mixtral = _checkpoint(tmp_path, "MixtralForCausalLM", spelled)
    assert _reasons(mixtral, SMOOTHQUANT) == []
    (sentence,) = _reasons(mixtral, AWQ)
    assert "block_sparse_moe.gate is fed" in sentence


def test_mappings_that_are_made_of_the_model_are_left_to_the_build(tmp_path: Path) -> None:
    linear = ["linear_attn.in_proj_qkvz", *NORMS, *EXPERTS]
    assert _reasons(_checkpoint(tmp_path, "Qwen3_5ForCausalLM", linear), AWQ) == []


def test_mappings_made_of_the_model_that_are_known_to_forget_the_router_are_refused(
    tmp_path: Path,
) -> None:
    (sentence,) = _reasons(_checkpoint(tmp_path, "Qwen3NextForCausalLM", MIXTURE), AWQ)
    assert sentence.endswith("scale what its routers are fed and leave them as they are")
