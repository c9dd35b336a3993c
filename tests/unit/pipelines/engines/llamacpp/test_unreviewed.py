"""Architectures that nobody reviewed: names that tell are held to, and others refuse nothing."""

import json
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path

import pytest

from quantgate.pipelines.domain.checkpoint import Checkpoint, TensorFacts
from quantgate.pipelines.domain.recipe import GgufOptions
from quantgate.pipelines.engines.llamacpp.types.expected import gguf_model, gguf_weights
from quantgate.pipelines.engines.llamacpp.types.facts import GgufWeight
from quantgate.pipelines.engines.llamacpp.types.fallbacks import fallbacks, untold
from quantgate.pipelines.engines.llamacpp.types.groups import tensor_groups
from quantgate.pipelines.engines.llamacpp.types.misfits import misfits
from quantgate.pipelines.engines.llamacpp.types.tensor_names import gguf_name
from quantgate.pipelines.formats.safetensors import StoredTensor
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.fakes import fake_checkpoint


def unreviewed(
    folder: Path, shapes: Mapping[str, tuple[int, ...]], config: Mapping[str, object] | None = None
) -> Checkpoint:
    plain = fake_checkpoint(folder)
    (folder / "config.json").write_text(json.dumps(config or {"model_type": "mamba"}))
    tensors = tuple(TensorFacts(name=n, shape=s, dtype="F16") for n, s in shapes.items())
    return replace(plain, tensors=tensors, reviewed=False, architecture="OtherForCausalLM")


def told(checkpoint: Checkpoint, name: str = "Q4_K_M") -> tuple[str, ...]:
    (recipe,) = find_recipes((name,), Path())
    assert isinstance(recipe.options, GgufOptions)
    return misfits(checkpoint, recipe, recipe.options)


def remarked(checkpoint: Checkpoint) -> str | None:
    (recipe,) = find_recipes(("Q4_K_M",), Path())
    assert isinstance(recipe.options, GgufOptions)
    return fallbacks(checkpoint, recipe, recipe.options)


MAMBA = {
    "backbone.embeddings.weight": (448, 256),
    "backbone.layers.0.mixer.in_proj.weight": (1024, 256),
    "backbone.layers.0.mixer.conv1d.weight": (512, 1, 4),
    "backbone.layers.0.mixer.dt_proj.weight": (512, 16),
    "backbone.layers.0.mixer.out_proj.weight": (256, 512),
}


def test_small_convolutions_and_narrow_rows_refuse_no_state_space_model(tmp_path: Path) -> None:
    checkpoint = unreviewed(tmp_path, MAMBA)
    assert told(checkpoint) == ()
    assert remarked(checkpoint) is None
    sentence = untold(checkpoint)
    assert sentence is not None
    assert sentence.startswith("the types of 5 of its 5 matrices")


def test_rows_that_no_block_divides_are_promised_no_type() -> None:
    narrow = GgufWeight(name="blk.0.ssm_dt.weight", shape=(512, 16))
    assert narrow.is_quantized
    assert not narrow.has_a_type
    groups = tensor_groups(
        [
            StoredTensor(
                name=name,
                dtype="F16",
                shape=shape,
                file=Path(),
                start=0,
                size_bytes=2 * prod(shape),
            )
            for name, shape in (
                ("blk.0.ssm_dt.weight", (512, 16)),
                ("blk.0.ssm_in.weight", (64, 32)),
            )
        ],
        ("Q8_0",),
    )
    assert [group.tensors for group in groups] == [("blk.0.ssm_in.weight",)]


def test_a_model_that_llama_cpp_would_leave_whole_is_refused_whatever_its_names(
    tmp_path: Path,
) -> None:
    shapes = {
        "transformer.h.0.attn.c_attn.weight": (100, 300),
        "transformer.wte.weight": (300, 100),
    }
    (reason,) = told(unreviewed(tmp_path, shapes))
    assert reason.startswith("most of its weights have no side that is a multiple of 32")


def test_names_that_tell_are_held_to_as_everywhere(tmp_path: Path) -> None:
    shapes = {
        "model.language_model.layers.0.self_attn.q_proj.weight": (64, 100),
        "model.language_model.layers.0.mlp.up_proj.weight": (256, 256),
    }
    checkpoint = unreviewed(tmp_path, shapes)
    (reason,) = told(checkpoint)
    assert "has rows of 100 weights" in reason
    assert untold(checkpoint) is None


@pytest.mark.parametrize(
    ("stored", "converted"),
    [
        ("model.layers.3.self_attn.q_proj.weight", "blk.3.attn_q.weight"),
        ("model.language_model.layers.3.self_attn.q_proj.weight", "blk.3.attn_q.weight"),
        ("language_model.model.layers.3.mlp.down_proj.weight", "blk.3.ffn_down.weight"),
        ("language_model.lm_head.weight", "output.weight"),
        ("lm_head.weight", "output.weight"),
        ("model.language_model.embed_tokens.weight", "token_embd.weight"),
        ("model.layers.1.mlp.gate.weight", "blk.1.ffn_gate_inp.weight"),
        ("model.layers.1.mlp.shared_experts.up_proj.weight", "blk.1.ffn_up_shexp.weight"),
        ("model.layers.1.mlp.experts.gate_up_proj", "blk.1.ffn_up_exps.weight"),
        ("model.layers.1.mlp.experts.7.down_proj.weight", "blk.1.ffn_down_exps.weight"),
        ("transformer.h.3.attn.c_attn.weight", None),
        ("model.vision_tower.layers.0.self_attn.q_proj.weight", None),
    ],
)
def test_tensors_are_called_as_the_converter_calls_them(stored: str, converted: str | None) -> None:
    assert gguf_name(stored) == converted


def test_what_sees_is_left_out_of_a_gguf(tmp_path: Path) -> None:
    shapes = {
        "model.language_model.layers.0.mlp.up_proj.weight": (256, 256),
        "model.vision_tower.layers.0.fc.weight": (64, 100),
    }
    checkpoint = replace(unreviewed(tmp_path, shapes), parts_beside=("model.vision_tower",))
    assert [weight.name for weight in gguf_weights(checkpoint)] == ["blk.0.ffn_up.weight"]
    assert told(checkpoint) == ()


def test_sizes_of_a_part_of_the_configuration_are_the_model_s(tmp_path: Path) -> None:
    text = {
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "num_hidden_layers": 3,
        "num_experts": 4,
    }
    config = {"text_config": text, "vision_config": {"num_attention_heads": 5}}
    model = gguf_model(unreviewed(tmp_path, {}, config))
    assert (model.heads, model.kv_heads, model.layers, model.experts) == (8, 2, 3, 4)
