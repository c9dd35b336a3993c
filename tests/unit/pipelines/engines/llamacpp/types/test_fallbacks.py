"""Types that llama.cpp takes where blocks do not divide rows are announced before anything is built."""

import json
from pathlib import Path

import pytest

from quantgate.pipelines.domain.checkpoint import Checkpoint, CheckpointDigests, TensorFacts
from quantgate.pipelines.domain.recipe import GgufOptions
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.engines.llamacpp.types.fallbacks import fallbacks
from quantgate.pipelines.specs.recipes import find_recipes

HIDDEN, INNER, LAYERS, VALUES, VOCABULARY = 576, 1536, 30, 192, 49152


def smollm2(folder: Path) -> Checkpoint:
    """SmolLM2-135M's shapes: rows of 576 weights, and of 1536 in down projections."""
    config = {"num_attention_heads": 9, "num_key_value_heads": 3, "num_hidden_layers": LAYERS}
    (folder / "config.json").write_text(json.dumps(config))
    shapes = {"model.embed_tokens": (VOCABULARY, HIDDEN)}
    for layer in range(LAYERS):
        attention, mlp = f"model.layers.{layer}.self_attn", f"model.layers.{layer}.mlp"
        shapes |= {f"{attention}.{name}": (HIDDEN, HIDDEN) for name in ("q_proj", "o_proj")}
        shapes |= {f"{attention}.{name}": (VALUES, HIDDEN) for name in ("k_proj", "v_proj")}
        shapes |= {f"{mlp}.{name}": (INNER, HIDDEN) for name in ("gate_proj", "up_proj")}
        shapes[f"{mlp}.down_proj"] = (HIDDEN, INNER)
    digest = Digest("0" * 64)
    return Checkpoint(
        name="smollm2",
        source="smollm2",
        folder=folder,
        digests=CheckpointDigests(
            weights=digest, tokenizer=digest, chat_template=digest, config=digest
        ),
        architecture="LlamaForCausalLM",
        dtype="bfloat16",
        parameter_count=sum(rows * columns for rows, columns in shapes.values()),
        size_bytes=1,
        context_length_tokens=8192,
        tensors=tuple(
            TensorFacts(name=f"{name}.weight", shape=shape, dtype="BF16")
            for name, shape in shapes.items()
        ),
    )


def told(folder: Path, name: str) -> str | None:
    (recipe,) = find_recipes((name,), folder)
    assert isinstance(recipe.options, GgufOptions)
    return fallbacks(smollm2(folder), recipe, recipe.options)


@pytest.mark.parametrize("name", ["Q8_0", "GGUF_NVFP4"])
def test_types_whose_blocks_divide_every_row_are_not_remarked_on(tmp_path: Path, name: str) -> None:
    assert told(tmp_path, name) is None


def test_the_sentence_says_how_many_become_what_and_what_that_costs(tmp_path: Path) -> None:
    assert told(tmp_path, "Q4_K_M") == (
        "180 of 211 weights have rows that the blocks of their type do not divide and become 166 Q5_0, "
        "14 Q8_0: 6.16 bits a weight instead of 5.56"
    )


def test_a_head_in_a_wider_type_than_the_file_s_is_counted(tmp_path: Path) -> None:
    sentence = told(tmp_path, "Q4_0")
    assert sentence
    assert sentence.startswith("1 of 211 weights ")
    assert "become 1 Q8_0" in sentence
