"""How large a random checkpoint is: one size for every setting of a name, and what single types need beside.

Rows are multiples of 256, so that no type of llama.cpp and no group of 128 needs another. A setting whose
default is absent stays absent, and so does what is switched off.
"""

from collections.abc import Mapping
from types import MappingProxyType

LAYERS, HIDDEN, HEADS, CONTEXT = 2, 256, 4, 512
HEAD = HIDDEN // HEADS
_INNER, _EXPERT, _EXPERTS = 512, 256, 4

TEXT: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers"), LAYERS),
        **dict.fromkeys(("hidden_size", "n_embd", "d_model"), HIDDEN),
        **dict.fromkeys(("num_attention_heads", "n_head", "n_heads"), HEADS),
        **dict.fromkeys(("num_key_value_heads", "num_kv_heads"), 2),
        **dict.fromkeys(
            (
                "intermediate_size",
                "ffn_hidden_size",
                "intermediate_size_mlp",
                "dense_intermediate_size",
            ),
            _INNER,
        ),
        **dict.fromkeys(
            (
                "moe_intermediate_size",
                "shared_expert_intermediate_size",
                "moe_shared_expert_intermediate_size",
                "shared_intermediate_size",
                "share_expert_dim",
            ),
            _EXPERT,
        ),
        **dict.fromkeys(
            ("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts"), _EXPERTS
        ),
        **dict.fromkeys(("num_experts_per_tok", "num_experts_per_token", "moe_k", "moe_topk"), 2),
        **dict.fromkeys(("n_shared_experts", "num_shared_experts", "moe_num_shared_experts"), 1),
        "n_group": 2,
        "topk_group": 1,
        **dict.fromkeys(("first_k_dense_replace", "num_dense_layers"), 1),
        "num_nextn_predict_layers": 0,
        **dict.fromkeys(
            ("max_position_embeddings", "n_positions", "max_seq_len", "model_max_length"), CONTEXT
        ),
        **dict.fromkeys(
            ("head_dim", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim", "index_head_dim"),
            HEAD,
        ),
        **dict.fromkeys(("kv_lora_rank", "q_lora_rank"), HIDDEN),
        "index_n_heads": HEADS,
        **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim", "linear_head_dim"), HEAD),
        "linear_num_key_heads": 2,
        **dict.fromkeys(("linear_num_value_heads", "linear_num_heads"), HEADS),
        "sliding_window": 128,
        **dict.fromkeys(("mamba_n_heads", "mamba_num_heads"), 2 * HEADS),
        **dict.fromkeys(("mamba_d_head", "mamba_head_dim"), HEAD),
        "mamba_d_ssm": 2 * HIDDEN,
        **dict.fromkeys(("mamba_d_state", "state_size", "ssm_state_size"), 16),
        **dict.fromkeys(("mamba_dt_rank", "time_step_rank"), 128),
        **dict.fromkeys(("mamba_chunk_size", "chunk_size"), 64),
    }
)
BESIDE: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(("hidden_size", "embed_dim"), 64),
        "intermediate_size": 128,
        **dict.fromkeys(("num_hidden_layers", "depth"), 2),
        **dict.fromkeys(("num_attention_heads", "num_heads", "num_key_value_heads"), 2),
        "image_size": 56,
        "patch_size": 14,
        "out_hidden_size": HIDDEN,
    }
)
"""Sizes of what sees or hears: it is neither built nor asked."""
KINDS_OF_LAYERS = ("layer_types", "no_rope_layers")
"""Lists of kinds, a layer each: there are as many layers as it takes to have every kind that a class has."""
NAMED_EVEN_IF_ABSENT = ("head_dim", "num_key_value_heads")
"""Some classes need them and have no default; what others make of the absence is what is said here."""
LEAST: Mapping[str, int] = MappingProxyType({"n_group": 1, "topk_group": 1})
"""A setting with a default of at most this (0 for all others) is switched off, and stays so."""

_HYBRID = ["conv", "full_attention"]
_MIXED = ["linear_attention", "full_attention"]
_INDEXER: Mapping[str, object] = MappingProxyType(
    {
        "indexer_n_heads": HEADS,
        "indexer_kv_heads": 1,
        "indexer_head_dim": HEAD,
        "indexer_budget": 256,
        "indexer_compress_ratio": 4,
    }
)
_GEMMA4: Mapping[str, object] = MappingProxyType(
    {
        "global_head_dim": 2 * HEAD,
        "hidden_size_per_layer_input": HEAD,
        "final_logit_softcapping": 30.0,
    }
)


def _rotated(sections: list[int], **more: object) -> Mapping[str, object]:
    """Return a rotation in space and time, of heads of 128 as they are released."""
    rotation = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": sections}
    return MappingProxyType({"rope_parameters": {**rotation, **more}})


_HALF_ROTATED = _rotated([8, 12, 12], partial_rotary_factor=0.5)
_INTERLEAVED = _rotated([24, 20, 20], mrope_interleaved=True)
_QUARTER_INTERLEAVED = _rotated([11, 11, 10], mrope_interleaved=True, partial_rotary_factor=0.25)
_ROUTED_BY_SIGMOID: Mapping[str, object] = MappingProxyType(
    {"scoring_func": "sigmoid", "topk_method": "noaux_tc", "norm_topk_prob": True}
)
OVERRIDES: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "afmoe": {"mup_enabled": True, "route_norm": True},
        "bamba": {"attn_layer_indices": [1]},
        "bitnet": {"tie_word_embeddings": True},
        "chameleon": {
            "vocabulary_map": {"<image>": 5},
            "num_key_value_heads": HEADS,
            "vq_config": {"embed_dim": 64, "num_embeddings": 64, "base_channels": 32},
        },
        "cohere": {"logit_scale": 1.0},
        "cohere2": {"logit_scale": 1.0},
        "cohere2_moe": {"logit_scale": 1.0},
        "dbrx": {
            "attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 10000.0},
            "ffn_config": {
                "hidden_size": HIDDEN,
                "ffn_hidden_size": _EXPERT,
                "moe_num_experts": _EXPERTS,
                "moe_top_k": 2,
            },
        },
        "deepseek_v2": {
            "num_experts_per_tok": 2,
            "topk_method": "greedy",
            "first_k_dense_replace": 1,
        },
        "deepseek_v3": _ROUTED_BY_SIGMOID,
        "deepseek_v32": _ROUTED_BY_SIGMOID,
        "dots1": {
            "n_routed_experts": _EXPERTS,
            "n_shared_experts": 1,
            "num_experts_per_tok": 2,
            "num_key_value_heads": HEADS,
            **_ROUTED_BY_SIGMOID,
        },
        "exaone4": {"sliding_window": None, "layer_types": ["full_attention"] * LAYERS},
        "exaone_moe": {"scoring_func": "sigmoid"},
        "falcon": {"num_kv_heads": 1, "ffn_hidden_size": 4 * HIDDEN},
        "falcon_h1": {"head_dim": HEAD},
        "gemma2": {"query_pre_attn_scalar": HEAD},
        "gemma3_text": {"query_pre_attn_scalar": HEAD},
        "gemma3n_text": {
            "num_hidden_layers": 30,
            "num_kv_shared_layers": 10,
            "intermediate_size": _INNER,
            "activation_sparsity_pattern": [0.95] * 10 + [0.0] * 20,
        },
        "gemma4_text": _GEMMA4,
        "gemma4_unified_text": _GEMMA4,
        **dict.fromkeys(("glm4v_text", "glm4v_moe_text", "glm_ocr_text"), _HALF_ROTATED),
        "glm4_moe_lite": _ROUTED_BY_SIGMOID,
        "glm5_next_text": {"num_key_value_heads": HEADS, "qk_rope_head_dim": 0},
        "granitemoehybrid": {"layer_types": _MIXED},
        "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
        "hunyuan_v1_moe": {
            "moe_intermediate_size": [_INNER] * LAYERS,
            "moe_topk": [2] * LAYERS,
            "num_shared_expert": [1] * LAYERS,
        },
        "kimi_linear": {
            "layer_types": _MIXED,
            "linear_attn_config": {
                "kda_layers": [1],
                "full_attn_layers": [2],
                "head_dim": HEAD,
                "num_heads": HEADS,
                "short_conv_kernel_size": 4,
            },
        },
        "laguna": {"layer_types": ["full_attention", "sliding_attention"]},
        "lfm2": {"layer_types": _HYBRID},
        "lfm2_moe": {"layer_types": _HYBRID},
        "mamba2": {"num_heads": 2 * HEADS, "n_groups": 1},
        "mellum": {"layer_types": ["sliding_attention", "full_attention"]},
        "mimo_v2_flash": {
            "swa_head_dim": HEAD,
            "swa_v_head_dim": HEAD,
            "swa_num_attention_heads": HEADS,
            "swa_num_key_value_heads": 2,
            "hybrid_layer_pattern": [0, 1],
            "layer_types": ["full_attention", "sliding_attention"],
            **_ROUTED_BY_SIGMOID,
        },
        "minimax_m2": {"rotary_dim": HEAD // 2},
        "minimax_m3_vl_text": {"n_shared_experts": 1},
        "mistral": {"sliding_window": None},
        "nemotron_h": {"layers_block_type": ["linear_attention", "moe", "full_attention"]},
        "olmoe": {"num_key_value_heads": HEADS},
        "phi": {"num_key_value_heads": HEADS, "intermediate_size": 4 * HIDDEN},
        **dict.fromkeys(
            ("qwen2_vl_text", "qwen2_5_vl_text", "paddleocr_vl_text"), _rotated([16, 24, 24])
        ),
        "qwen3_moe": {"norm_topk_prob": True},
        **dict.fromkeys(("qwen3_vl_text", "qwen3_vl_moe_text"), _INTERLEAVED),
        **dict.fromkeys(("qwen3_5_text", "qwen3_5_moe_text"), _QUARTER_INTERLEAVED),
        "qwen4_exp_text": {**_INDEXER, **_QUARTER_INTERLEAVED, "output_gate_type": "sigmoid"},
    }
)
"""By the type of a language model: what cannot be made smaller by name, or is released otherwise than its
class has it (Mistral models have no window since version 0.2), or stands in releases and in no class."""
