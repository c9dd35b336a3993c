"""What serving a model takes of memory, foretold from its shapes: weights, keys and values, the program.

Keys and values are counted as llama.cpp holds them (`llama_kv_cache` and `llama_kv_cache_iswa` of its pinned
version, `swa_full` off as in llama-server): layers with a sliding window keep their window and a batch,
layers without attention nothing that grows, and multi-head latent attention (DeepSeek) one latent.
"""

import re
from dataclasses import dataclass
from enum import Enum

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import KvCacheType, Recipe
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.expected import expected_size
from quantgate.pipelines.engines.memory import sizes_of
from quantgate.pipelines.formats.configuration.language_config import count_of, language_config

BATCH_TOKENS = 512
"""How many tokens llama.cpp computes at once (`n_ubatch`)."""
_PADDING_TOKENS = 256
_PROGRAM_BYTES = 54_000_000
_TOKEN_BYTES = 200
_CACHE_BITS: dict[KvCacheType, float] = {"f16": 16.0, "q8_0": 8.5, "q4_0": 4.5}
_WINDOWED_EVERY = {
    "gemma2": 2, "gemma3": 6, "gemma3_text": 6, "gemma3n_text": 5, "cohere2": 4, "gpt_oss": 2,
    "olmo3": 4, "exaone4": 4, "llama4_text": 4,
}  # fmt: skip
"""Which layer is the next without a window, by model type, where config.json does not list its layers: the
defaults of llama.cpp's `load_swa_pattern`."""
_GROWING = re.compile(r"full|global|^attention$")
_WINDOWED = re.compile(r"sliding|chunked|local")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLayer:
    """What a layer keeps of every token, in numbers, and of how many tokens at most; None: of all."""

    values: int
    window_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingMemory:
    """Memory of one server that answers one request at a time, in bytes by what takes it."""

    weights_bytes: int
    cache_bytes: int
    program_bytes: int

    @property
    def size_bytes(self) -> int:
        """All of it."""
        return self.weights_bytes + self.cache_bytes + self.program_bytes


def serving_memory(
    checkpoint: Checkpoint,
    recipe: Recipe | None,
    context_tokens: int,
    kv_cache: KvCacheType = "f16",
) -> ServingMemory:
    """Return what llama.cpp takes on a CPU to serve a variant, or the base in 16 bits without a recipe."""
    weights = (
        expected_size(checkpoint, recipe).size_bytes if recipe else 2 * checkpoint.parameter_count
    )
    layers = cache_layers(language_config(checkpoint.folder))
    return ServingMemory(
        weights_bytes=weights,
        cache_bytes=cache_bytes(layers, context_tokens, kv_cache),
        program_bytes=_program_bytes(checkpoint),
    )


def cache_bytes(
    layers: tuple[CacheLayer, ...], context_tokens: int, kv_cache: KvCacheType = "f16"
) -> int:
    """Return what keys and values of so many tokens take."""
    cells = (layer.values * _cells(layer.window_tokens, context_tokens) for layer in layers)
    return round(sum(cells) * _CACHE_BITS[kv_cache] / 8)


def cache_layers(config: JsonObject) -> tuple[CacheLayer, ...]:
    """Return what each layer keeps, from a language model's configuration; () where it does not say."""
    values = _values_a_token(config)
    return tuple(
        CacheLayer(values=values, window_tokens=kind if isinstance(kind, int) else None)
        for kind in _kinds(config)
        if kind is not _Keeps.NOTHING
    )


class _Keeps(Enum):
    EVERYTHING = "all tokens"
    NOTHING = "nothing that grows"


def _kinds(config: JsonObject) -> tuple[int | _Keeps, ...]:
    """Return of each layer how much it keeps: a window of so many tokens, every token, or nothing."""
    count = count_of(config, "num_hidden_layers")
    window = 0 if config.get("use_sliding_window") is False else count_of(config, "sliding_window")
    window = window or count_of(config, "attention_chunk_size")
    listed = config.get("layer_types")
    if isinstance(listed, list) and listed:
        return tuple(_kind(str(name), window) for name in listed[:count])
    every = count_of(config, "sliding_window_pattern") or _windowed_every(config)
    if not window or not every:
        return (_Keeps.EVERYTHING,) * count
    return tuple(
        window if layer % every < every - 1 else _Keeps.EVERYTHING for layer in range(count)
    )


def _kind(name: str, window: int) -> int | _Keeps:
    if _WINDOWED.search(name):
        return window or _Keeps.EVERYTHING
    return _Keeps.EVERYTHING if _GROWING.search(name) else _Keeps.NOTHING


def _windowed_every(config: JsonObject) -> int:
    return _WINDOWED_EVERY.get(str(config.get("model_type")), 0)


def _values_a_token(config: JsonObject) -> int:
    """Return how many numbers a layer keeps of a token: keys and values, or the latent of both."""
    latent = count_of(config, "kv_lora_rank")
    if latent:
        return latent + count_of(config, "qk_rope_head_dim")
    heads = count_of(config, "num_attention_heads")
    kept = count_of(config, "num_key_value_heads") or heads
    width = count_of(config, "head_dim") or count_of(config, "hidden_size") // max(1, heads)
    return 2 * kept * width


def _cells(window_tokens: int | None, context_tokens: int) -> int:
    """Return for how many tokens a layer has room."""
    tokens = context_tokens
    if window_tokens is not None:
        tokens = min(context_tokens, window_tokens + BATCH_TOKENS)
    return -(-tokens // _PADDING_TOKENS) * _PADDING_TOKENS


def _program_bytes(checkpoint: Checkpoint) -> int:
    """Return what is neither weights nor cache: the program, its vocabulary, and a batch under way."""
    sizes = sizes_of(checkpoint)
    batch = 4 * BATCH_TOKENS * (3 * sizes.widest + 4 * sizes.hidden)
    return _PROGRAM_BYTES + _TOKEN_BYTES * sizes.vocabulary + batch
