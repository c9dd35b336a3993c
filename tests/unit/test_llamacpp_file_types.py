"""Which checkpoint shapes fit which GGUF file types."""

from pathlib import Path

import pytest

from pipelines.backends.llamacpp_file_types import FILE_TYPES, misfitting_shapes
from pipelines.domain.checkpoint import Checkpoint, CheckpointDigests, TensorFacts
from pipelines.domain.values import Digest


def checkpoint(*shapes: tuple[str, tuple[int, ...]]) -> Checkpoint:
    digest = Digest("0" * 64)
    return Checkpoint(
        name="tiny",
        source="tiny",
        folder=Path("tiny"),
        digests=CheckpointDigests(
            weights=digest, tokenizer=digest, chat_template=digest, config=digest
        ),
        architecture="LlamaForCausalLM",
        dtype="float16",
        parameter_count=1,
        size_bytes=2,
        context_length_tokens=128,
        tensors=tuple(TensorFacts(name=name, shape=shape, dtype="F16") for name, shape in shapes),
    )


UP = "model.layers.0.mlp.up_proj.weight"
DOWN = "model.layers.3.mlp.down_proj.weight"


def test_rows_of_whole_blocks_fit() -> None:
    fitting = checkpoint((UP, (500, 256)), (DOWN, (256, 512)))
    assert misfitting_shapes(fitting, FILE_TYPES["Q4_K_M"]) == ()


def test_a_misfit_names_the_weight_its_row_the_block_and_what_fits() -> None:
    (sentence,) = misfitting_shapes(checkpoint((DOWN, (256, 96))), FILE_TYPES["Q4_K_M"])
    assert DOWN in sentence
    assert "96" in sentence
    assert "256" in sentence
    assert "Q5_0 fits" in sentence


def test_rows_of_no_multiple_of_32_fit_nothing() -> None:
    (sentence,) = misfitting_shapes(checkpoint((DOWN, (256, 100))), FILE_TYPES["Q8_0"])
    assert "no GGUF file type fits" in sentence


def test_many_layers_of_one_row_size_are_one_sentence() -> None:
    shapes = [(f"model.layers.{layer}.mlp.up_proj.weight", (64, 96)) for layer in range(40)]
    (sentence,) = misfitting_shapes(checkpoint(*shapes), FILE_TYPES["Q2_K"])
    assert "and 39 more" in sentence


@pytest.mark.parametrize(
    "name",
    [
        "model.embed_tokens.weight",
        "lm_head.weight",
        "model.layers.0.input_layernorm.weight",
        "model.layers.0.block_sparse_moe.gate.weight",
        "model.layers.0.mlp.gate.weight",
        "model.layers.0.self_attn.q_proj.bias",
    ],
)
def test_what_llama_cpp_does_not_quantize_by_the_file_type_is_no_misfit(name: str) -> None:
    assert misfitting_shapes(checkpoint((name, (8, 100))), FILE_TYPES["Q4_K_M"]) == ()


def test_a_gate_projection_is_not_mistaken_for_a_router() -> None:
    gate = "model.layers.0.mlp.gate_proj.weight"
    assert misfitting_shapes(checkpoint((gate, (8, 100))), FILE_TYPES["Q4_K_M"])


def test_every_fallback_is_itself_a_file_type_of_small_blocks() -> None:
    assert {FILE_TYPES[row.fallback].block for row in FILE_TYPES.values()} == {32}
