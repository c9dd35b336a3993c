"""Which layers of a model keep keys and values, how many numbers of a token, and of how many tokens.

As llama.cpp holds them (`llama_kv_cache` and its kin in its pinned version), and transformers 5.17 as
well: layers without attention keep nothing that grows, and those that share the cache of another (Gemma 3n)
nothing. Of multi-head latent attention (DeepSeek) one tool may keep the latent and the other what is made of
it. An indexer, which chooses the tokens that are looked at (DeepSeek V3.2), keeps a key of its own.
"""

import re
from dataclasses import dataclass
from enum import Enum

from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.formats.configuration.language_config import count_of
from quantgate.pipelines.formats.configuration.latent_attention import keeps_expanded

_WINDOWED_EVERY = {
    "gemma2": 2, "gemma3": 6, "gemma3_text": 6, "gemma3n_text": 5, "cohere2": 4, "gpt_oss": 2,
    "olmo3": 4, "exaone4": 4, "llama4_text": 4,
}  # fmt: skip
"""Which layer is the next without a window, by model type, where config.json does not list its layers: the
defaults of llama.cpp's `load_swa_pattern`."""
_NOT_GROWING = re.compile(r"linear|mamba|conv|recurrent|^(moe|mlp)$")
"""Names in `layer_types` of layers that keep a state of one size or nothing; any other is attention, full,
sparse, compressed or beside a state (`ALLOWED_ATTN_LAYER_TYPES` of transformers)."""
_WINDOWED = re.compile(r"sliding|chunked|local")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLayer:
    """What a layer keeps of every token, in numbers, and of how many tokens at most; None: of all."""

    values: int
    window_tokens: int | None = None


def cache_layers(config: JsonObject, tool: str) -> tuple[CacheLayer, ...]:
    """Return what each layer keeps in a tool, by a language model's configuration; () where it does not say.

    Raises:
        ToolchainError: where transformers' source is not as it was.
    """
    values = _values_a_token(config, tool) + _indexed(config)
    return tuple(
        CacheLayer(values=values, window_tokens=kind if isinstance(kind, int) else None)
        for kind in _kinds(config)
        if kind is not _Keeps.NOTHING
    )


class _Keeps(Enum):
    EVERYTHING = "all tokens"
    NOTHING = "nothing that grows"


def _kinds(config: JsonObject) -> tuple[int | _Keeps, ...]:
    """Return of each layer how much it keeps: a window of so many tokens, every token, or nothing.

    The last layers of some models read what earlier ones keep (Gemma 3n): they are left out.
    """
    count = count_of(config, "num_hidden_layers")
    kept = max(0, count - count_of(config, "num_kv_shared_layers"))
    window = 0 if config.get("use_sliding_window") is False else count_of(config, "sliding_window")
    window = window or count_of(config, "attention_chunk_size")
    listed = config.get("layer_types")
    if isinstance(listed, list) and listed:
        return tuple(_kind(str(name), window) for name in listed[:kept])
    every = count_of(config, "sliding_window_pattern") or _windowed_every(config)
    if not window or not every:
        return (_Keeps.EVERYTHING,) * kept
    return tuple(
        window if layer % every < every - 1 else _Keeps.EVERYTHING for layer in range(kept)
    )


def _kind(name: str, window: int) -> int | _Keeps:
    if _WINDOWED.search(name):
        return window or _Keeps.EVERYTHING
    return _Keeps.NOTHING if _NOT_GROWING.search(name) else _Keeps.EVERYTHING


def _windowed_every(config: JsonObject) -> int:
    return _WINDOWED_EVERY.get(str(config.get("model_type")), 0)


def _values_a_token(config: JsonObject, tool: str) -> int:
    """Return how many numbers a layer keeps of a token: keys and values, or the latent of both."""
    heads = count_of(config, "num_attention_heads")
    latent, rotated = (count_of(config, name) for name in ("kv_lora_rank", "qk_rope_head_dim"))
    if latent and keeps_expanded(str(config.get("model_type")), tool):
        parts = (count_of(config, name) for name in ("qk_nope_head_dim", "v_head_dim"))
        return heads * (rotated + sum(parts))
    if latent:
        return latent + rotated
    kept = count_of(config, "num_key_value_heads") or heads
    width = count_of(config, "head_dim") or count_of(config, "hidden_size") // max(1, heads)
    return 2 * kept * width


def _indexed(config: JsonObject) -> int:
    """Return what an indexer keeps of a token: a key, and where it pools keys a gate and a mark as well."""
    key = count_of(config, "index_head_dim")
    return 2 * key + 1 if count_of(config, "index_kpool") else key
