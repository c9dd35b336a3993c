"""Loading layers that stand packed in a compressed-tensors folder, and so have no weight by that name."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps

import torch
from transformers import PreTrainedModel

_PACKED, _WEIGHT = "weight_packed", "weight"
_IS_LOADED = "_is_hf_initialized"


@contextmanager
def initialized_packed() -> Iterator[None]:
    """Let transformers fill what a folder lacks with numbers, whatever weights its classes ask for by name.

    Some initialize the weight of a layer inside them (Mamba 2 its `out_proj`), which a packed one lacks.
    While they do, it has one that is marked as loaded and has no numbers: transformers 5.17 leaves those
    alone (`initialization.py`).
    """
    original = PreTrainedModel.initialize_weights

    @wraps(original)
    def initialize(self: PreTrainedModel) -> None:
        layers = [layer for layer in self.modules() if _is_packed(layer)]
        placeholder = torch.empty(0, device="meta")
        setattr(placeholder, _IS_LOADED, True)
        for layer in layers:
            layer.__dict__[_WEIGHT] = placeholder
        try:
            original(self)
        finally:
            for layer in layers:
                del layer.__dict__[_WEIGHT]

    PreTrainedModel.initialize_weights = initialize
    try:
        yield
    finally:
        PreTrainedModel.initialize_weights = original


def _is_packed(layer: torch.nn.Module) -> bool:
    return hasattr(layer, _PACKED) and not hasattr(layer, _WEIGHT)
