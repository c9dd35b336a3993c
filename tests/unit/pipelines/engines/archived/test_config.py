"""Configurations of transformers 5 in the words of 4.51; expected values are 4.51's own for equal logits."""

import json
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.engines.archived.config import older_config
from tests.support.project import EXAMPLE

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 128,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "dtype": "float16",
    "rope_parameters": {"rope_theta": 50000.0, "rope_type": "default"},
}


def _older(folder: Path, **changes: Any) -> dict[str, Any]:
    (folder / "config.json").write_text(json.dumps(LLAMA | changes))
    return older_config(folder)


def _rope(**settings: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_theta": 50000.0} | settings}


def test_rope_and_dtype_get_their_old_names(tmp_path: Path) -> None:
    older = _older(tmp_path)
    assert (older["rope_theta"], older["rope_scaling"]) == (50000.0, None)
    assert older["torch_dtype"] == "float16"
    assert "rope_parameters" not in older
    assert "dtype" not in older


def test_the_example_is_translated(tmp_path: Path) -> None:
    older = older_config(EXAMPLE / "checkpoint")
    assert (older["rope_theta"], older["rope_scaling"]) == (10000.0, None)
    assert older["head_dim"] == 64


@pytest.mark.parametrize(
    "scaling",
    [
        {"rope_type": "linear", "factor": 2.0},
        {"rope_type": "dynamic", "factor": 2.0},
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
        {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
    ],
)
def test_scaled_positions_stay_scaled(tmp_path: Path, scaling: dict[str, Any]) -> None:
    older = _older(tmp_path, **_rope(**scaling))
    assert (older["rope_theta"], older["rope_scaling"]) == (50000.0, scaling)


def test_a_configuration_of_transformers_4_is_left_as_it_is(tmp_path: Path) -> None:
    scaling = {"type": "linear", "factor": 2.0}
    (tmp_path / "config.json").write_text(
        json.dumps(
            {"model_type": "llama", "rope_theta": 1e6, "rope_scaling": scaling, "torch_dtype": "x"}
        )
    )
    older = older_config(tmp_path)
    assert (older["rope_theta"], older["torch_dtype"]) == (1e6, "x")
    assert older["rope_scaling"] == {"rope_type": "linear", "factor": 2.0}


def test_full_attention_in_every_layer_needs_no_words(tmp_path: Path) -> None:
    older = _older(tmp_path, model_type="qwen2", layer_types=["full_attention"] * 3)
    assert "layer_types" not in older


def test_the_alternation_of_gemma_2_is_what_4_51_does_by_itself(tmp_path: Path) -> None:
    alternating = ["sliding_attention", "full_attention"]
    assert "layer_types" not in _older(tmp_path, model_type="gemma2", layer_types=alternating)
    with pytest.raises(CheckpointError, match="`layer_types`"):
        _older(tmp_path, model_type="gemma2", layer_types=alternating[::-1])


def test_a_part_of_each_head_is_rotated_where_the_model_type_does_that(tmp_path: Path) -> None:
    older = _older(tmp_path, model_type="phi3", **_rope(partial_rotary_factor=0.5))
    assert older["partial_rotary_factor"] == 0.5
    with pytest.raises(CheckpointError, match="partial_rotary_factor"):
        _older(tmp_path, **_rope(partial_rotary_factor=0.5))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"model_type": "qwen2", "layer_types": ["sliding_attention"]}, "layer_types"),
        ({"model_type": "qwen2", "use_sliding_window": True}, "use_sliding_window"),
        ({"attention_multiplier": 0.5}, "attention_multiplier"),
        ({"model_type": "mistral", "attention_bias": True}, "attention_bias"),
        (_rope(rope_type="longrope", factor=2.0), "rope_parameters.rope_type"),
        (_rope(rope_type="default", factor=2.0), "rope_parameters.factor"),
        (
            _rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=256),
            "rope_parameters.factor",
        ),
        (_rope(rope_type="yarn", factor=4.0), "rope_parameters.original_max_position_embeddings"),
        ({"rope_parameters": {"full_attention": {"rope_theta": 1.0}}}, "rope_parameters"),
        ({"rope_parameters": {"rope_type": "default"}}, "rope_parameters.rope_theta"),
    ],
)
def test_what_has_no_equal_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], key: str
) -> None:
    with pytest.raises(CheckpointError) as caught:
        _older(tmp_path, **changes)
    assert f"`{key}`" in caught.value.what
    assert "llm-compressor" in (caught.value.next_step or "")


def test_an_unknown_key_without_a_value_says_nothing(tmp_path: Path) -> None:
    assert "attention_multiplier" not in _older(tmp_path, attention_multiplier=None)


def test_a_model_type_that_was_not_tried_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="model type granite was not tried"):
        _older(tmp_path, model_type="granite")
