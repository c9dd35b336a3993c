"""Under which names a folder stores what transformers calls otherwise once it is loaded."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

from quantgate.pipelines.formats.whole_layers import left_whole


def stored_layers(model: PreTrainedModel) -> dict[str, str]:
    """Return every linear layer of a loaded model by name, with that of its folder's tensors.

    `model.layers.0.mlp.experts.3.gate_proj` of a Mixtral is `model.layers.0.block_sparse_moe.experts.3.w1`;
    queries, keys and values of HRM-Text are rows of one matrix, whose name all of them have.
    """
    renamings = [each for each in _undone(model) if isinstance(each, WeightRenaming)]
    converters = [each for each in _undone(model) if isinstance(each, WeightConverter)]
    layers = (name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear))
    return {name: _stored(name, renamings, converters) for name in layers}


def joined_layers(model: PreTrainedModel, stored: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the folder's tensors that hold several layers, with these in the order of their rows.

    `stored` is what `stored_layers` said of the model.
    """
    patterns = [
        pattern
        for converter in _undone(model)
        if isinstance(converter, WeightConverter)
        for pattern in converter.source_patterns
    ]

    def place(layer: str) -> int:
        weight = f"{layer}.weight"
        return next((i for i, pattern in enumerate(patterns) if re.search(pattern, weight)), 0)

    layers = defaultdict(list)
    for layer, name in stored.items():
        layers[name].append(layer)
    return {
        name: tuple(sorted(parts, key=place)) for name, parts in layers.items() if len(parts) > 1
    }


def whole_layers(model: PreTrainedModel, stored: Mapping[str, str]) -> tuple[str, ...]:
    """Return the linear layers that no recipe rounds, see `left_whole`.

    `stored` is what `stored_layers` said of the model, with its experts apart.
    """
    weights = {name: f"{stored_name}.weight" for name, stored_name in stored.items()}
    whole = left_whole(
        {weight: tuple(model.get_submodule(name).weight.shape) for name, weight in weights.items()}
    )
    return tuple(name for name, weight in weights.items() if weight in whole)


def _stored(layer: str, renamings: list[WeightRenaming], converters: list[WeightConverter]) -> str:
    renamed, _ = rename_source_key(f"{layer}.weight", renamings, converters, reverse=True)
    return str(renamed).removesuffix(".weight")


def _undone(model: PreTrainedModel) -> list[Any]:
    """Return what transformers does to names as it saves: it takes back what it noted as it loaded."""
    noted: Iterable[Any] | None = getattr(model, "_weight_conversions", None)
    return [conversion.reverse_transform() for conversion in reversed(list(noted or ()))]
