"""What a GGUF file's keys say of its model becomes a config.json's settings, or a sentence why not."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.llamacpp.unpacking.configuration import (
    GgufConfiguration,
    read_configuration,
)
from quantgate.pipelines.engines.llamacpp.unpacking.rotation import rotation
from quantgate.pipelines.formats.gguf.header import GgufHeader
from quantgate.pipelines.formats.safetensors import StoredTensor

_KEYS: JsonObject = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.context_length": 512,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": [2, 2],
    "llama.attention.layer_norm_rms_epsilon": 9.999999747378752e-06,
    "llama.rope.freq_base": 100000.0,
    "llama.rope.dimension_count": 16,
    "llama.vocab_size": 70,
    "llama.something.new": 1,
}
_LLAMA3 = [1.0, 1.0, 1.0, 1.0, 1.0, 2.0]


def tensor(name: str, *shape: int, dtype: str = "F16") -> StoredTensor:
    return StoredTensor(
        name=name, dtype=dtype, shape=shape, file=Path("model.gguf"), start=0, size_bytes=0
    )


def configured(*more: StoredTensor, **changes: object) -> GgufConfiguration:
    metadata = {**_KEYS, **{key.replace("__", "."): value for key, value in changes.items()}}
    tensors = (tensor("token_embd.weight", 70, 64), *more)
    return read_configuration(GgufHeader(metadata=metadata, tensors=tensors), "model.gguf")  # type: ignore[arg-type]  # JSON values


def test_keys_become_settings() -> None:
    settings = configured(tensor("blk.0.attn_q.bias", 64, dtype="F32")).settings
    assert settings["num_hidden_layers"] == 2
    assert settings["num_key_value_heads"] == 2
    assert settings["rope_theta"] == 100000.0
    assert settings["vocab_size"] == 70
    assert settings["tie_word_embeddings"] is True
    assert settings["attention_bias"] is True
    assert settings["dtype"] == "float16"
    assert "rope_scaling" not in settings
    assert "partial_rotary_factor" not in settings


def test_numbers_of_single_precision_are_written_as_people_write_them() -> None:
    assert configured().settings["rms_norm_eps"] == 1e-05


def test_a_head_of_its_own_is_no_tied_one() -> None:
    assert configured(tensor("output.weight", 70, 64)).settings["tie_word_embeddings"] is False


def test_low_bit_weights_are_expanded_to_bfloat16() -> None:
    big = tensor("blk.0.ffn_up.weight", 512, 64, dtype="Q4_K")
    assert configured(big).settings["dtype"] == "bfloat16"


def test_keys_that_nothing_is_made_of_are_named() -> None:
    assert configured().unread == ("something.new",)


def test_an_unknown_architecture_is_refused_by_name() -> None:
    with pytest.raises(CheckpointError, match="architecture 'mamba'") as refusal:
        configured(general__architecture="mamba")
    assert "known are arcee, gemma" in str(refusal.value.next_step)
    with pytest.raises(CheckpointError, match="names no architecture"):
        configured(general__architecture=None)


def test_a_vocabulary_alone_is_refused() -> None:
    header = GgufHeader(metadata=_KEYS, tensors=())
    with pytest.raises(CheckpointError, match="a vocabulary and no weights"):
        read_configuration(header, "vocab.gguf")


def test_rotation_of_a_part_of_each_head_is_a_share() -> None:
    assert configured(llama__rope__dimension_count=4).settings["partial_rotary_factor"] == 0.25


def test_linear_and_yarn_are_scalings() -> None:
    linear: JsonObject = {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}
    assert rotation(linear, {}, {}, "")["rope_scaling"] == {"rope_type": "linear", "factor": 4.0}
    yarn: JsonObject = {
        "rope.scaling.type": "yarn",
        "rope.scaling.factor": 4.0,
        "rope.scaling.original_context_length": 64,
        "rope.scaling.yarn_beta_fast": 16.0,
    }
    assert rotation(yarn, {}, {}, "") == {
        "rope_scaling": {
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 64,
            "beta_fast": 16.0,
        }
    }


def test_longrope_has_its_factors_in_tensors() -> None:
    factors = {"rope_factors_long.weight": [2.0, 3.0], "rope_factors_short.weight": [1.0, 1.0]}
    said = rotation({"rope.scaling.original_context_length": 64}, factors, {}, "")
    assert said["original_max_position_embeddings"] == 64
    assert said["rope_scaling"] == {
        "rope_type": "longrope",
        "long_factor": [2.0, 3.0],
        "short_factor": [1.0, 1.0],
    }


def test_llama3_is_told_by_its_factors_and_others_are_refused() -> None:
    settings: JsonObject = {"rope_theta": 500000.0}
    published = [
        1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.553415,
        2.69453, 5.257327, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0,
    ]  # fmt: skip
    computed = rotation({}, {"rope_freqs.weight": published}, settings, "")
    assert computed["rope_scaling"]["rope_type"] == "llama3"  # type: ignore[index,call-overload]  # an object
    with pytest.raises(CheckpointError, match="factors of its own"):
        rotation({}, {"rope_freqs.weight": _LLAMA3}, settings, "model.gguf")


def test_a_scaling_without_an_equal_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"rope\.scaling\.type is 'spiral'"):
        rotation({"rope.scaling.type": "spiral"}, {}, {}, "model.gguf")
