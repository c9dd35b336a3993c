"""How like the base's the linear weights of a loaded model are, after it expanded them to compute."""

from pathlib import Path

import torch

from quantgate.pipelines.domain.verdicts.audit import Resemblance
from quantgate.pipelines.engines.transformers.workers.model import LoadedModel
from quantgate.pipelines.engines.transformers.workers.stored import read_part, read_tensor
from quantgate.pipelines.engines.workers.stored_names import joined_layers, stored_layers
from quantgate.pipelines.formats.experts import fused_parts
from quantgate.pipelines.formats.safetensors import read_tensors

_BALANCING_ROUNDS = 3


@torch.inference_mode()
def resemblances(loaded: LoadedModel, base: Path) -> tuple[Resemblance, ...]:
    """Return the cosine of every linear layer's weight with the base folder's tensor of that name.

    An expert's is held against its part of the base's fused tensor where that has them so.

    The model has to have answered once: until then compressed weights are packed.
    """
    originals = {tensor.name: tensor for tensor in read_tensors(base)}
    fused = fused_parts({name: tensor.shape for name, tensor in originals.items()})
    compared: list[Resemblance] = []
    stored = stored_layers(loaded.model)
    joined = joined_layers(loaded.model, stored)
    for name, layers in {
        name: joined.get(name, (layer,)) for layer, name in stored.items()
    }.items():
        weights = [loaded.model.get_submodule(layer).weight for layer in layers]
        weight = weights[0] if len(weights) == 1 else torch.cat(weights)
        tensor = f"{name}.weight"
        if tensor in originals:
            original = read_tensor(originals[tensor])
        elif tensor in fused:
            original = read_part(originals[fused[tensor].fused], fused[tensor])
        else:
            continue
        if weight.shape == original.shape:
            compared.append(Resemblance(name=tensor, cosine=resemblance(weight, original)))
    return tuple(compared)


def resemblance(weight: torch.Tensor, original: torch.Tensor) -> float:
    """Return the cosine of two matrices, whatever was moved between their rows and columns.

    AWQ and SmoothQuant scale whole rows and columns, which takes nothing from what a model computes, so
    both matrices are first brought to rows and columns of equal length. 0 where one is all zeros.
    """
    first, second = _balanced(weight.detach()), _balanced(original.to(weight.device))
    length = float(first.norm()) * float(second.norm())
    return float((first * second).sum()) / length if length > 0 else 0.0


def _balanced(weight: torch.Tensor) -> torch.Tensor:
    values = weight.float()
    for _ in range(_BALANCING_ROUNDS):
        for dimension in (0, 1):
            lengths = values.norm(dim=dimension, keepdim=True)
            values = values / lengths.clamp(min=torch.finfo(torch.float32).tiny)
    return values
