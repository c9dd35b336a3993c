"""What llama.cpp calls a checkpoint's tensors, and which of them it quantizes."""

import re

FALCON, GLM5_NEXT = "falcon", "glm5-next"
"""Architectures that llama.cpp's rules ask for by name, as a GGUF has them (`general.architecture`)."""
# gguf-py/gguf/tensor_mapping.py, the rows of Llama, Qwen, Mistral, Mixtral and their kin.
_OUTSIDE = {"embed_tokens": "token_embd.weight", "lm_head": "output.weight"}
_INSIDE = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
    "block_sparse_moe.gate": "ffn_gate_inp",
    "mlp.gate": "ffn_gate_inp",
    "mlp.shared_expert_gate": "ffn_gate_inp_shexp",
    **{
        f"mlp.{shared}.{part}_proj": f"ffn_{part}_shexp"
        for shared in ("shared_expert", "shared_experts")
        for part in ("gate", "up", "down")
    },
}
_EXPERTS = {
    "gate_proj": "ffn_gate_exps",
    "up_proj": "ffn_up_exps",
    "down_proj": "ffn_down_exps",
    "w1": "ffn_gate_exps",
    "w3": "ffn_up_exps",
    "w2": "ffn_down_exps",
}
_PREFIX = r"(?:model\.|(?:model\.)?language_model\.(?:model\.)?)"
"""Where a language model's modules stand: alone, or beside what sees."""
_LAYER = re.compile(_PREFIX + r"layers\.(?P<layer>\d+)\.(?P<module>.+)\.weight")
_OUTER = re.compile(_PREFIX + r"?(?P<module>embed_tokens|lm_head)\.weight")
_FUSED = re.compile(_PREFIX + r"layers\.(?P<layer>\d+)\.mlp\.experts\.(?P<part>gate_up|down)_proj")
"""Experts of a layer in one tensor, as transformers 5 has them: the converter parts gate from up again."""
_EXPERT = re.compile(r"(?:mlp|block_sparse_moe)\.experts\.\d+\.(?P<part>\w+)")

# Two-dimensional weights that llama.cpp never quantizes: `tensor_allows_quantization` in
# src/llama-quant.cpp.
_LEFT_ALONE = re.compile(
    r"_norm\.weight|ffn_gate_inp\.weight|ffn_gate_tid2eid\.weight|altup|laurel|per_layer_model_proj"
    r"|position_embd|token_types|ssm_conv1d|shortconv\.conv\.weight|indexer\.[kq]_proj\.weight"
    r"|time_mix_(first|w[012]|v[012]|a[012]|g[12]|decay_w[12]|lerp_fused)\.weight|attn_rel_b\.weight"
)
_LEFT_ALONE_IN = {
    GLM5_NEXT: re.compile(
        r"hc_|indexer\.(attn_q_b|attn_k|proj)|indexer_compressor_(gate|ape)"
        r"|(ssm_(f_a|f_b|g_a|g_b|beta)|attn_kv_a_mqa|attn_k_b|attn_v_b)\.weight"
    )
}
"""... and those of one architecture, by llama.cpp's name of it."""

NEVER_COVERED = frozenset({"token_embd.weight", "per_layer_token_embd.weight", "output.weight"})
"""What an importance matrix has no entry for.

Nothing is multiplied with token embeddings, and the output head is left out upstream as well.
"""


def is_quantized(name: str, dimensions: int, architecture: str = "") -> bool:
    """Whether llama.cpp quantizes a GGUF's tensor in every file type where its shape allows.

    That is every two- and three-dimensional weight, token embeddings and output head included (those
    get a type of their own, mostly Q6_K), except the few kinds it always leaves alone. `architecture` is
    llama.cpp's name of it.
    """
    alone = (_LEFT_ALONE, _LEFT_ALONE_IN.get(architecture, _LEFT_ALONE))
    is_left = any(pattern.search(name) for pattern in alone)
    return dimensions >= 2 and name.endswith("weight") and not is_left


def gguf_name(name: str) -> str | None:
    """Return a tensor's name in the GGUF; None where the converter alone knows it."""
    if outer := _OUTER.fullmatch(name):
        return _OUTSIDE[outer["module"]]
    if fused := _FUSED.fullmatch(name):
        return (
            f"blk.{fused['layer']}.ffn_{'up' if fused['part'] == 'gate_up' else 'down'}_exps.weight"
        )
    inside = _LAYER.fullmatch(name)
    if inside is None:
        return None
    expert = _EXPERT.fullmatch(inside["module"])
    kind = _EXPERTS.get(expert["part"]) if expert else _INSIDE.get(inside["module"])
    return f"blk.{inside['layer']}.{kind}.weight" if kind else None
