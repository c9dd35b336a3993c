"""Small mixtures of experts with random weights, as transformers saves them, by model type."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from quantgate.pipelines.domain.checkpoint import Checkpoint, CheckpointDigests, TensorFacts
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.formats.safetensors import read_tensors
from tests.support.fakes import write_tokenizer

EXPERTS, HIDDEN, INNER, CONTEXT, VOCABULARY = 5, 128, 128, 128, 257
_COMMON: Mapping[str, Any] = {
    "hidden_size": HIDDEN,
    "intermediate_size": INNER,
    "moe_intermediate_size": INNER,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": None,
    "tie_word_embeddings": False,
    "num_experts_per_tok": 2,
}
_LATENT: Mapping[str, Any] = {
    "head_dim": 16,
    "q_lora_rank": 64,
    "kv_lora_rank": 64,
    "qk_rope_head_dim": 16,
    "qk_nope_head_dim": 16,
    "v_head_dim": 32,
    "num_key_value_heads": 4,
}
_SHARED: Mapping[str, Any] = {
    "n_routed_experts": EXPERTS,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
}
_LOCAL, _COUNTED = {"num_local_experts": EXPERTS}, {"num_experts": EXPERTS}
MIXTURES: Mapping[str, Mapping[str, Any]] = {
    "mixtral": _LOCAL,
    "gpt_oss": {**_LOCAL, "layer_types": ["sliding_attention", "full_attention"]},
    "qwen2_moe": {**_COUNTED, "shared_expert_intermediate_size": 128, "decoder_sparse_step": 1},
    "qwen3_moe": _COUNTED,
    "deepseek_v2": {**_SHARED, **_LATENT},
    "deepseek_v3": {**_SHARED, **_LATENT},
    "glm4_moe": _SHARED,
    "phimoe": _LOCAL,
    "olmoe": _COUNTED,
    "granitemoe": _LOCAL,
    "ernie4_5_moe": {
        "moe_num_experts": EXPERTS,
        "moe_k": 2,
        "moe_num_shared_experts": 1,
        "moe_layer_start_index": 1,
    },
    "hunyuan_v1_moe": {**_COUNTED, "moe_topk": 2, "moe_intermediate_size": 64},
    "lfm2_moe": {**_COUNTED, "num_dense_layers": 1, "layer_types": ["conv", "full_attention"]},
    "llama4_text": {**_LOCAL, "num_experts_per_tok": 1, "intermediate_size_mlp": INNER},
    "minimax_m2": _LOCAL,
    "nemotron_h": {
        **_SHARED,
        "layers_block_type": ["attention", "moe"],
        "moe_shared_expert_intermediate_size": INNER,
    },
}
"""Settings beside those that all have. Hunyuan's `moe_intermediate_size` is not what its experts have."""


def write_mixture(folder: Path, model_type: str) -> Checkpoint:
    """Write a checkpoint of an architecture and describe it."""
    folder.mkdir(parents=True)
    write_tokenizer(folder)
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **{**_COMMON, **MIXTURES[model_type]})
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=parameter.shape[-1] ** -0.5)
            elif name.endswith(".bias"):
                parameter.zero_()
            if name.endswith((".gate.weight", ".router.weight")) and parameter.dim() > 1:
                _never_choose_the_last(parameter)
    model.save_pretrained(folder)
    return _described(folder, type(model).__name__)


def _never_choose_the_last(router: torch.Tensor) -> None:
    """Make pairs of opposite rows and a last one of zeros: of each pair one is chosen before that."""
    router[1], router[3], router[4] = -router[0], -router[2], 0


def _described(folder: Path, architecture: str) -> Checkpoint:
    digests = {
        part: digest_of(part) for part in ("weights", "tokenizer", "chat_template", "config")
    }
    return Checkpoint(
        name=folder.name,
        source=str(folder),
        folder=folder,
        digests=CheckpointDigests(**digests),
        architecture=architecture,
        dtype="bfloat16",
        parameter_count=1,
        size_bytes=1,
        context_length_tokens=CONTEXT,
        tensors=tuple(
            TensorFacts(name=tensor.name, shape=tensor.shape, dtype=tensor.dtype)
            for tensor in read_tensors(folder)
        ),
    )
