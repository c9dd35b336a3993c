"""One forward pass of a language model, in the words of its class: not all take positions."""

import inspect
from typing import Any

from transformers import PreTrainedModel

_CACHE, _STATES = "past_key_values", "cache_params"
_LEFT_OUT = ("position_ids", "logits_to_keep")
"""What a class may lack: it counts positions itself, or returns the logits of all of them."""


def forward(model: PreTrainedModel, **inputs: object) -> Any:
    """Return what a model's forward pass gives for `input_ids` and whatever else it is given.

    A cache is `past_key_values` here; classes that keep states instead (Mamba) take it as `cache_params`.
    """
    parameters = inspect.signature(type(model).forward).parameters
    if _CACHE in inputs and _CACHE not in parameters and _STATES in parameters:
        inputs[_STATES] = inputs.pop(_CACHE)
    lacking = [name for name in _LEFT_OUT if name not in parameters]
    return model(**{name: value for name, value in inputs.items() if name not in lacking})
