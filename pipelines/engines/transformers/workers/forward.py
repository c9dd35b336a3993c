"""One forward pass of a language model, in the words of its class: not all take positions."""

import inspect
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import LinearAttentionCacheLayerMixin

_CACHE, _STATES, _MASK = "past_key_values", "cache_params", "attention_mask"
_LEFT_OUT = ("position_ids", "logits_to_keep")
"""What a class may lack: it counts positions itself, or returns the logits of all of them."""


def forward(model: PreTrainedModel, *, input_ids: torch.Tensor, **inputs: Any) -> Any:
    """Return what a model's forward pass gives for ids and whatever else it is given.

    A cache is `past_key_values` here, and a mask is of all that it holds as well. Classes that keep states
    instead (Mamba) take it as `cache_params`, with a mask of the new tokens alone.
    """
    parameters = inspect.signature(type(model).forward).parameters
    if _CACHE in inputs and _CACHE not in parameters and _STATES in parameters:
        inputs[_STATES] = inputs.pop(_CACHE)
        if _MASK in inputs:
            inputs[_MASK] = inputs[_MASK][:, -input_ids.shape[1] :]
    lacking = [name for name in _LEFT_OUT if name not in parameters]
    given = {name: value for name, value in inputs.items() if name not in lacking}
    return model(input_ids=input_ids, **given)


def keeps_states(held: DynamicCache) -> bool:
    """Say whether layers keep states instead of keys and values: after them only one token may follow.

    Where several follow, transformers 5.17 scans them from an empty state (`selective_scan_fn` of Mamba).
    """
    return any(isinstance(layer, LinearAttentionCacheLayerMixin) for layer in held.layers)
