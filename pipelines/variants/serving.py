"""What serving a model takes of memory, foretold from its shapes: weights, keys and values, the program.

Keys and values are counted as llama.cpp holds them (`llama_kv_cache` and `llama_kv_cache_iswa` of its pinned
version, `swa_full` off as in llama-server): layers with a sliding window keep their window and a batch.
"""

from dataclasses import dataclass

from quantgate.pipelines.domain.architectures import LLAMA_CPP
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import KvCacheType, Recipe
from quantgate.pipelines.engines.expected import expected_size
from quantgate.pipelines.engines.memory import CACHE_BITS, sizes_of
from quantgate.pipelines.formats.configuration.cache_layers import CacheLayer, cache_layers
from quantgate.pipelines.formats.configuration.language_config import language_config

BATCH_TOKENS = 512
"""How many tokens llama.cpp computes at once (`n_ubatch`)."""
_PADDING_TOKENS = 256
_PROGRAM_BYTES = 54_000_000
_TOKEN_BYTES = 200


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
    layers = cache_layers(language_config(checkpoint.folder), LLAMA_CPP)
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
    return round(sum(cells) * CACHE_BITS[kv_cache] / 8)


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
