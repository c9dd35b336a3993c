"""The language model's part of config.json, whatever its class calls sizes and wherever it stands."""

import json
from pathlib import Path

import pytest

from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.formats.configuration.language_config import (
    count_of,
    language_config,
    language_part,
    with_common_names,
)

SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings")


@pytest.mark.parametrize(
    ("config", "sizes"),
    [
        ({"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 96}, (64, 2, 4,
        96)), ({"model_type": "mpt", "d_model": 64, "n_layers": 2, "n_heads": 4, "max_seq_len": 96}, (64, 2,
        4, 96)), ({"model_type": "nowhere", "n_embd": 64, "n_layer": 2, "n_head": 4, "n_ctx": 96}, (64, 2,
        4, 96)), ({"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2}, (64, 2, 32, 2048)),
    ],
)  # fmt: skip
def test_sizes_have_their_common_names_whatever_a_class_calls_them(
    config: JsonObject, sizes: tuple[int, ...]
) -> None:
    named = with_common_names(config)
    assert tuple(named[size] for size in SIZES) == sizes


def test_a_model_without_a_limit_of_positions_has_none() -> None:
    assert "max_position_embeddings" not in with_common_names({"model_type": "mamba"})


def test_what_a_release_leaves_out_is_its_class_s_default() -> None:
    released: JsonObject = {
        "model_type": "gemma3_text",
        "hidden_size": 2560,
        "num_hidden_layers": 34,
    }
    named = with_common_names(released)
    assert (named["vocab_size"], named["max_position_embeddings"]) == (262_208, 131_072)
    assert named["num_hidden_layers"] == 34


def test_what_is_null_on_purpose_stays_null() -> None:
    assert (
        with_common_names({"model_type": "gemma3_text", "sliding_window": None})["sliding_window"]
        is None
    )


@pytest.mark.parametrize("name", ["text_config", "llm_config", "language_config", "lm_config"])
def test_a_model_that_sees_describes_its_language_model_in_a_part(name: str) -> None:
    config: JsonObject = {"vision_config": {"hidden_size": 8}, name: {"hidden_size": 64}}
    assert language_part(config) == {"hidden_size": 64}


def test_a_thinker_has_its_language_model_inside() -> None:
    assert language_part({"thinker_config": {"text_config": {"hidden_size": 64}}}) == {
        "hidden_size": 64
    }


def test_what_the_whole_says_of_tied_embeddings_counts_before_its_part(tmp_path: Path) -> None:
    part = {"hidden_size": 64, "tie_word_embeddings": True}
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"text_config": part, "tie_word_embeddings": False}))
    assert language_config(tmp_path)["tie_word_embeddings"] is False
    file.write_text(json.dumps({"text_config": part}))
    assert language_config(tmp_path)["tie_word_embeddings"] is True


def test_a_plain_configuration_is_all_language_model() -> None:
    config: JsonObject = {"hidden_size": 64}
    assert language_part(config) is config


def test_the_first_number_that_is_given_counts_and_true_is_none() -> None:
    assert count_of({"a": True, "b": None, "c": 3}, "a", "b", "c") == 3
    assert count_of({}, "a") == 0
