"""Under which names a folder stores what transformers calls otherwise once it is loaded."""

from collections.abc import Iterable, Mapping

import torch
from transformers import PreTrainedModel
from transformers.core_model_loading import WeightRenaming, rename_source_key

from quantgate.pipelines.formats.whole_layers import left_whole


def stored_layers(model: PreTrainedModel) -> dict[str, str]:
    """Return every linear layer of a loaded model by name, with that of its folder's tensors.

    `model.layers.0.mlp.experts.3.gate_proj` of a Mixtral is `model.layers.0.block_sparse_moe.experts.3.w1`.
    """
    renamings = [
        conversion.reverse_transform()
        for conversion in reversed(_conversions(model))
        if isinstance(conversion, WeightRenaming)
    ]
    layers = (name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear))
    return {name: _stored(name, renamings) for name in layers}


def whole_layers(model: PreTrainedModel, stored: Mapping[str, str]) -> tuple[str, ...]:
    """Return the linear layers that no recipe rounds, see `left_whole`.

    `stored` is what `stored_layers` said of the model, with its experts apart.
    """
    weights = {name: f"{stored_name}.weight" for name, stored_name in stored.items()}
    whole = left_whole(
        {weight: tuple(model.get_submodule(name).weight.shape) for name, weight in weights.items()}
    )
    return tuple(name for name, weight in weights.items() if weight in whole)


def _stored(layer: str, renamings: list[WeightRenaming]) -> str:
    renamed, _ = rename_source_key(f"{layer}.weight", renamings, [], reverse=True)
    return str(renamed).removesuffix(".weight")


def _conversions(model: PreTrainedModel) -> list[WeightRenaming]:
    """Return what transformers noted as it loaded the folder; saving takes it back in the same way."""
    noted: Iterable[WeightRenaming] | None = getattr(model, "_weight_conversions", None)
    return list(noted or ())
