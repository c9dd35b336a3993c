"""Which architectures of GGUF files become checkpoints, and what their converters did to weights.

Sources: conversion/*.py beside llama.cpp's converter (llama-cpp-python 0.3.36). A row stands here when a
random checkpoint of it came back from its F16 GGUF bit for bit, and with equal logits
(tests/integration/engines/llamacpp/test_unpacking.py). transformers has a reader of its own; it leaves out
scaled rotation, head sizes and multipliers, and so makes another model of many files without a word.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from quantgate.pipelines.domain.values import JsonValue

_RMS, _EPSILON = "attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufArchitecture:
    """A row: the `model_type` of config.json, and keys beyond those that all architectures share.

    `rotates_pairs`: rows of queries and keys were put in the order in which llama.cpp rotates them.
    `norms_plus_one`: one was added to the weights of norms. `layers_of_27b` is how many layers the one model
    has whose attention llama.cpp scales by another size than that of a head; None where it scales by a
    setting. `fixed` are settings of config.json that llama.cpp has built in; `is_mixture`: the feed-forward
    layers are experts, a tensor for all of a layer's.
    """

    model_type: str
    keys: Mapping[str, str] = field(default_factory=dict)
    rotates_pairs: bool = False
    norms_plus_one: bool = False
    layers_of_27b: int | None = None
    fixed: Mapping[str, JsonValue] = field(default_factory=dict)
    is_mixture: bool = False


SHARED_KEYS = {
    "context_length": "max_position_embeddings",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "embedding_length": "hidden_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "rope.freq_base": "rope_theta",
}
"""Keys without their prefix, and the settings of config.json that they are."""

_SCALES = {
    "attention.scale": "attention_multiplier",
    "embedding_scale": "embedding_multiplier",
    "residual_scale": "residual_multiplier",
    "logit_scale": "logits_scaling",
}
_CAPS = {
    "attn_logit_softcapping": "attn_logit_softcapping",
    "final_logit_softcapping": "final_logit_softcapping",
}
_EXPERTS = {
    "expert_count": "num_experts",
    "expert_used_count": "num_experts_per_tok",
    "expert_feed_forward_length": "moe_intermediate_size",
}
_WINDOW = {"attention.sliding_window": "sliding_window"}

ARCHITECTURES: dict[str, GgufArchitecture] = {
    "llama": GgufArchitecture(
        model_type="llama", keys={_RMS: "rms_norm_eps"}, rotates_pairs=True
    ),
    "qwen2": GgufArchitecture(model_type="qwen2", keys={_RMS: "rms_norm_eps"}),
    "qwen3": GgufArchitecture(model_type="qwen3", keys={_RMS: "rms_norm_eps"}),
    "qwen3moe": GgufArchitecture(
        model_type="qwen3_moe",
        keys={_RMS: "rms_norm_eps", **_EXPERTS},
        fixed={"norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": []},
        is_mixture=True,
    ),
    "arcee": GgufArchitecture(
        model_type="arcee", keys={_RMS: "rms_norm_eps"}, rotates_pairs=True
    ),
    "gemma": GgufArchitecture(
        model_type="gemma", keys={_RMS: "rms_norm_eps"}, norms_plus_one=True
    ),
    "gemma2": GgufArchitecture(
        model_type="gemma2",
        keys={_RMS: "rms_norm_eps", **_CAPS, **_WINDOW},
        norms_plus_one=True,
        layers_of_27b=46,
    ),
    "gemma3": GgufArchitecture(
        model_type="gemma3_text",
        keys={
            _RMS: "rms_norm_eps",
            "final_logit_softcapping": "final_logit_softcapping",
            "rope.freq_base_swa": "rope_local_base_freq",
            **_WINDOW,
        },
        norms_plus_one=True,
        layers_of_27b=62,
    ),
    "phi3": GgufArchitecture(model_type="phi3", keys={_RMS: "rms_norm_eps", **_WINDOW}),
    "olmo": GgufArchitecture(
        model_type="olmo", keys={"attention.clamp_kqv": "clip_qkv"}, rotates_pairs=True
    ),
    "olmo2": GgufArchitecture(model_type="olmo2", keys={_RMS: "rms_norm_eps"}),
    "granite": GgufArchitecture(
        model_type="granite", keys={_RMS: "rms_norm_eps", **_SCALES}, rotates_pairs=True
    ),
    "smollm3": GgufArchitecture(
        model_type="smollm3", keys={_RMS: "rms_norm_eps"}, rotates_pairs=True
    ),
    "stablelm": GgufArchitecture(
        model_type="stablelm",
        keys={_EPSILON: "layer_norm_eps", "use_parallel_residual": "use_parallel_residual"},
    ),
    "starcoder2": GgufArchitecture(model_type="starcoder2", keys={_EPSILON: "norm_epsilon"}),
}  # fmt: skip
