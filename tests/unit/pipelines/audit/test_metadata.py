"""Whatever an artifact says besides its weights is held against its base's, key by key."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from quantgate.pipelines.audit.metadata import audit_configuration, audit_metadata
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.contents import Contents

GGUF: dict[str, Any] = {
    "general.architecture": "llama",
    "general.name": "demo",
    "general.file_type": 1,
    "general.quantization_version": 2,
    "llama.block_count": 4,
    "llama.context_length": 512,
    "llama.attention.head_count": 8,
    "llama.attention.head_count_kv": 2,
    "llama.attention.sliding_window": 128,
    "llama.rope.freq_base": 10000.0,
    "llama.rope.scaling.type": "yarn",
    "llama.rope.scaling.factor": 4.0,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "llama.expert_used_count": 2,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "llama-bpe",
    "tokenizer.ggml.tokens": ["<s>", "</s>", "a", "b", "ab"],
    "tokenizer.ggml.token_type": [3, 3, 1, 1, 1],
    "tokenizer.ggml.scores": [0.0, 0.0, -1.0, -2.0, -3.0],
    "tokenizer.ggml.merges": ["a b", "b a"],
    "tokenizer.ggml.bos_token_id": 0,
    "tokenizer.ggml.add_bos_token": True,
}
FOLDER: dict[str, Any] = {
    "tokenizer.json": {
        "added_tokens": [{"id": 0, "content": "<s>", "special": True, "lstrip": False}],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False},
        "model": {"type": "BPE", "vocab": {"a": 1, "b": 2, "ab": 3}, "merges": [["a", "b"]]},
    },
    "tokenizer_config.json": {"eos_token": "</s>", "transformers_version": "5.17.0"},
    "special_tokens_map.json": {"eos_token": "</s>"},
    "generation_config.json": {"temperature": 0.6, "top_p": 0.9, "eos_token_id": [2]},
    "tokenizer.model": "0f" * 32,
}
CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "eos_token_id": 2,
    "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
    "layer_types": ["full_attention", "sliding_attention"],
    "transformers_version": "5.17.0",
    "dtype": "float16",
}


def contents(metadata: JsonObject) -> Contents:
    return Contents(tensors=(), file_type=1, quantization={}, stop_token_ids=(), metadata=metadata)


def changed(metadata: dict[str, Any], edit: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    copied = copy.deepcopy(metadata)
    edit(copied)
    return copied


def put(*keys: str | int, value: object) -> Callable[[Any], None]:
    def edit(metadata: Any) -> None:
        for key in keys[:-1]:
            metadata = metadata[key]
        metadata[keys[-1]] = value

    return edit


def swap(*keys: str, first: int = 0, second: int = 1) -> Callable[[Any], None]:
    def edit(metadata: Any) -> None:
        for key in keys:
            metadata = metadata[key]
        metadata[first], metadata[second] = metadata[second], metadata[first]

    return edit


@pytest.mark.parametrize(
    "key", [key for key in GGUF if key not in ("general.file_type", "general.quantization_version")]
)
def test_any_other_value_of_a_gguf_is_caught_by_its_key(key: str) -> None:
    value = [*GGUF[key][:-1], "other"] if isinstance(GGUF[key], list) else "other"
    finding = audit_metadata(contents(GGUF), contents(changed(GGUF, put(key, value=value))))
    assert not finding.passed
    assert finding.found.startswith(key)
    assert "other" in finding.found


@pytest.mark.parametrize("key", ["tokenizer.ggml.merges", "tokenizer.ggml.tokens"])
def test_two_entries_in_another_order_are_caught(key: str) -> None:
    finding = audit_metadata(contents(GGUF), contents(changed(GGUF, swap(key))))
    assert finding.found.count(key) == 2


@pytest.mark.parametrize(
    "edit",
    [
        put("llama.rope.scaling.original_context_length", value=8192),
        lambda metadata: metadata.pop("llama.attention.sliding_window"),
        lambda metadata: metadata["tokenizer.ggml.tokens"].pop(),
    ],
    ids=["a key more", "a key less", "an entry less"],
)
def test_keys_and_entries_that_come_or_go_are_caught(edit: Callable[[Any], object]) -> None:
    assert not audit_metadata(contents(GGUF), contents(changed(GGUF, edit))).passed


@pytest.mark.parametrize(
    "edit",
    [
        put("general.file_type", value=15),
        put("general.quantization_version", value=3),
        put("quantize.imatrix.dataset", value="sha256:1"),
        put("quantize.imatrix.entries_count", value=28),
    ],
    ids=["file type", "version", "what the matrix was computed on", "its size"],
)
def test_what_a_build_writes_is_its_own_business(edit: Callable[[Any], object]) -> None:
    finding = audit_metadata(contents(GGUF), contents(changed(GGUF, edit)))
    assert finding.passed
    assert finding.found == f"{len(GGUF)} keys equal"


FOLDER_CHANGES: dict[str, Callable[[Any], object]] = {
    "two ids exchanged": put("tokenizer.json", "model", "vocab", value={"a": 2, "b": 1, "ab": 3}),
    "another merge": put("tokenizer.json", "model", "merges", 0, value=["b", "a"]),
    "a token that is special no more": put(
        "tokenizer.json", "added_tokens", 0, "special", value=False
    ),
    "another normalizer": put("tokenizer.json", "normalizer", value={"type": "NFC"}),
    "a space in front": put("tokenizer.json", "pre_tokenizer", "add_prefix_space", value=True),
    "another end in the tokenizer's configuration": put(
        "tokenizer_config.json", "eos_token", value="<s>"
    ),
    "another end in the map": put("special_tokens_map.json", "eos_token", value="<s>"),
    "another temperature": put("generation_config.json", "temperature", value=1.0),
    "no nucleus": lambda metadata: metadata["generation_config.json"].pop("top_p"),
    "a penalty": put("generation_config.json", "repetition_penalty", value=1.1),
    "another SentencePiece file": put("tokenizer.model", value="1e" * 32),
    "added tokens": put("added_tokens.json", value={"<x>": 9}),
}


@pytest.mark.parametrize("name", FOLDER_CHANGES)
def test_any_change_of_a_folders_files_is_caught(name: str) -> None:
    edited = changed(FOLDER, FOLDER_CHANGES[name])
    assert not audit_metadata(contents(FOLDER), contents(edited)).passed


def test_order_of_keys_versions_and_nulls_say_nothing() -> None:
    other = {name: FOLDER[name] for name in reversed(FOLDER)}
    other["tokenizer_config.json"] = {"transformers_version": "4.51", "eos_token": "</s>"}
    other["tokenizer.json"] = {
        key: FOLDER["tokenizer.json"][key] for key in ("model", "pre_tokenizer", "added_tokens")
    }
    assert audit_metadata(contents(FOLDER), contents(other)).passed


@pytest.mark.parametrize(
    "edit",
    [
        put("eos_token_id", value=7),
        put("rope_parameters", "rope_theta", value=1e6),
        swap("layer_types"),
        put("sliding_window", value=64),
    ],
    ids=["end", "rope", "layers exchanged", "a window"],
)
def test_another_configuration_is_caught(edit: Callable[[Any], object]) -> None:
    assert not audit_configuration(CONFIG, changed(CONFIG, edit)).passed


def test_types_and_labels_of_weights_are_no_change_of_configuration() -> None:
    variant = CONFIG | {"dtype": "bfloat16", "quantization_config": {"bits": 4}}
    assert audit_configuration(CONFIG, variant).passed


def test_an_engine_that_does_not_tell_its_configuration_is_not_held_to_it() -> None:
    assert audit_configuration(CONFIG, {}).passed
