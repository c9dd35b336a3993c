"""Checkpoints that transformers 5 saved are shown to llama.cpp's converter as they are released."""

import pytest

from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.llamacpp.released_config import as_released, lacks_draft


def test_a_context_is_named_as_the_converter_asks_for_it() -> None:
    assert as_released({"n_positions": 512})["n_ctx"] == 512


def test_what_a_configuration_says_by_itself_stays() -> None:
    said: JsonObject = {
        "n_positions": 512,
        "n_ctx": 256,
        "rotary_pct": 0.5,
        "rope_parameters": {"rope_theta": 10000.0, "partial_rotary_factor": 0.25},
    }
    assert as_released(said) == said


@pytest.mark.parametrize(
    ("rotation", "share"),
    [({"rope_theta": 10000.0, "partial_rotary_factor": 0.25}, 0.25), ({"rope_theta": 1e4}, 1.0)],
)
def test_the_rotated_share_of_a_head_is_told(rotation: JsonObject, share: float) -> None:
    assert as_released({"rope_parameters": rotation})["rotary_pct"] == share


def test_rotations_by_kind_of_layer_have_no_one_share() -> None:
    by_kind: JsonObject = {"full_attention": {"rope_theta": 1e6}}
    assert "rotary_pct" not in as_released({"rope_parameters": by_kind})


def test_leading_dense_layers_of_a_mixture_are_counted() -> None:
    kinds = ["dense", "dense", "sparse", "dense"]
    assert as_released({"mlp_layer_types": [*kinds]})["first_k_dense_replace"] == 2


def test_kinds_of_layers_have_the_converters_names() -> None:
    layers = ["linear_attention", "full_attention"]
    hybrid = as_released({"model_type": "granitemoehybrid", "layer_types": [*layers]})
    assert hybrid["layer_types"] == ["mamba", "attention"]
    sparse: JsonObject = {"model_type": "qwen4_exp_text", "layer_types": ["qwen_sparse_attention"]}
    assert as_released({**sparse})["layer_types"] == ["full_attention"]
    other = as_released({"model_type": "qwen3_next", "layer_types": [*layers]})
    assert other["layer_types"] == layers


def test_the_language_models_part_is_mended_where_it_stands() -> None:
    whole: JsonObject = {
        "model_type": "sees",
        "text_config": {"mlp_layer_types": ["dense", "sparse"]},
        "vision_config": {"mlp_layer_types": ["dense"]},
    }
    released = as_released(whole)
    assert released["text_config"] == {
        "mlp_layer_types": ["dense", "sparse"],
        "first_k_dense_replace": 1,
    }
    assert released["vision_config"] == whole["vision_config"]


@pytest.mark.parametrize(
    ("drafting", "lacks"),
    [
        ("mtp.fc.weight", False),
        ("model.mtp.layers.0.norm.weight", False),
        ("model.layers.2.eh_proj.weight", False),
        ("model.layers.1.nextn.norm.weight", False),
        ("model.layers.1.mlp.up_proj.weight", True),
        ("model.embed_tokens.weight", True),
    ],
)
def test_layers_that_draft_are_told_by_name_or_by_number(drafting: str, lacks: bool) -> None:
    names = ("model.layers.0.mlp.up_proj.weight", drafting)
    assert lacks_draft(names, 2) == lacks


def test_without_a_number_of_layers_names_alone_tell() -> None:
    assert lacks_draft(("model.layers.9.mlp.up_proj.weight",), 0)


def test_half_of_a_head_is_rotated_where_the_class_has_no_setting_for_it() -> None:
    bamba: JsonObject = {"model_type": "bamba", "hidden_size": 256, "num_attention_heads": 4}
    assert as_released(bamba)["attn_rotary_emb"] == 32
    assert as_released({**bamba, "attn_rotary_emb": 16})["attn_rotary_emb"] == 16
    assert "attn_rotary_emb" not in as_released({**bamba, "model_type": "jamba"})
