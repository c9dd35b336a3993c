"""What all prompts of a batch begin with: computed once, and held for each of them.

Chat templates begin every prompt with the same system message, and many suites with the same examples.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from quantgate.pipelines.engines.prompt_lengths import common_prefix
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.engines.transformers.workers.forward import forward
from quantgate.pipelines.engines.transformers.workers.model import LoadedModel

# A pass of its own reads all weights once more.
_WORTH_SHARING_TOKENS = 16
_FREQUENCIES_BY_LENGTH = frozenset({"dynamic", "longrope"})
"""Rotary embeddings whose frequencies hang on the longest position of a pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Tokens that were computed, none where nothing is shared, and what a batch goes on from."""

    token_ids: tuple[int, ...]
    cache: DynamicCache


def opening_of(loaded: LoadedModel, prompts: Sequence[Prompt]) -> Opening:
    """Compute what prompts share, where the model's class goes on from it exactly as it would go through.

    Every prompt has at least one token after it.
    """
    model = loaded.model
    cache = DynamicCache(config=model.config)
    shared = common_prefix(prompts, worth_tokens=_WORTH_SHARING_TOKENS)
    if not shared or not _goes_on_exactly(model, cache):
        return Opening(token_ids=(), cache=cache)
    ids = torch.tensor([shared], device=loaded.device)
    forward(
        model,
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        position_ids=torch.arange(len(shared), device=loaded.device)[None],
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    cache.batch_repeat_interleave(len(prompts))
    return Opening(token_ids=shared, cache=cache)


def _goes_on_exactly(model: PreTrainedModel, cache: DynamicCache) -> bool:
    """Whether every layer keeps all keys and values as they are, at positions that are given.

    Sliding windows and states are left out, and classes that count positions themselves.
    """
    takes_positions = "position_ids" in inspect.signature(type(model).forward).parameters
    keeps_all = bool(cache.layers) and all(type(layer) is DynamicLayer for layer in cache.layers)
    scaling = getattr(model.config.get_text_config(decoder=True), "rope_parameters", None)
    return takes_positions and keeps_all and _FREQUENCIES_BY_LENGTH.isdisjoint(_rope_types(scaling))


def _rope_types(parameters: object) -> Iterator[str]:
    """Yield the kinds of rotary embeddings, of which each type of layer may have one."""
    match parameters:
        case {"rope_type": str(kind)}:
            yield kind
        case Mapping():
            for part in parameters.values():
                yield from _rope_types(part)
