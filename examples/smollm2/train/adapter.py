"""Low-rank adapters (Hu et al. 2021, "LoRA"): attached to a model, saved, and merged into weights.

For every linear layer `y = W x` a pair of narrow matrices is learnt, `y = W x + (alpha / rank) B A x`.
Files are as peft writes and reads them (`adapter_model.safetensors` beside `adapter_config.json`).
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from quantgate.pipelines.files.store import MANIFEST
from quantgate.pipelines.files.temporary import temporary_folder

RANK = 16
ALPHA = 32
LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
WEIGHTS = "model.safetensors"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
_PREFIX = "base_model.model."
_SCALE = ALPHA / RANK


class AdaptedLinear(nn.Module):
    """A frozen linear layer and what is learnt beside it; it begins as the layer itself."""

    def __init__(self, layer: nn.Linear, generator: torch.Generator) -> None:
        super().__init__()
        self.layer = layer
        self.lora_A = nn.Parameter(torch.empty(RANK, layer.in_features))
        self.lora_B = nn.Parameter(torch.zeros(layer.out_features, RANK))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5), generator=generator)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map `[..., in_features]` to `[..., out_features]`; the layer multiplies in its own type."""
        learnt = nn.functional.linear(nn.functional.linear(inputs, self.lora_A), self.lora_B)
        frozen = self.layer(inputs.to(self.layer.weight.dtype)).to(inputs.dtype)
        return frozen + _SCALE * learnt


def attach(model: nn.Module, *, seed: int, dtype: torch.dtype = torch.float32) -> None:
    """Freeze a model and put an adapter beside every one of its linear layers but the output head.

    The frozen layers multiply in `dtype`; all else of the model stays in its own type.
    """
    model.requires_grad_(requires_grad=False)
    generator = torch.Generator().manual_seed(seed)
    for name, layer in list(model.named_modules()):
        parent, _, child = name.rpartition(".")
        if child in LAYERS and isinstance(layer, nn.Linear):
            adapted = AdaptedLinear(layer.to(dtype), generator)
            setattr(model.get_submodule(parent), child, adapted)


def adapter_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the learnt matrices of a model that `attach` has seen, by their names in it."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def save_adapter(weights: Mapping[str, Tensor], folder: Path) -> None:
    """Write the learnt matrices, rounded to bfloat16, and how they are to be read."""
    folder.mkdir(parents=True, exist_ok=True)
    named = {
        f"{_PREFIX}{name}.weight": weight.detach().to(torch.bfloat16).contiguous()
        for name, weight in sorted(weights.items())
    }
    save_file(named, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": ALPHA,
        "target_modules": list(LAYERS),
    }
    (folder / ADAPTER_CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_adapter(folder: Path) -> dict[str, Tensor]:
    """Return the learnt matrices of a folder, by their names in the model."""
    stored = load_file(folder / ADAPTER_WEIGHTS)
    return {
        name.removeprefix(_PREFIX).removesuffix(".weight"): weight
        for name, weight in stored.items()
    }


def merged(weights: Mapping[str, Tensor], adapter: Path) -> dict[str, Tensor]:
    """Return a checkpoint's weights with an adapter added: `W + (alpha / rank) B A`, in each weight's type.

    The sum is taken in float64, so that rounding it gives the same bits on every machine.

    Raises:
        KeyError: where the adapter has a matrix of a layer that the weights lack.
    """
    config = json.loads((adapter / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    scale = config["lora_alpha"] / config["r"]
    learnt = load_file(adapter / ADAPTER_WEIGHTS)
    whole = dict(weights)
    for name in learnt:
        layer, is_first, _ = name.removeprefix(_PREFIX).rpartition(".lora_A.")
        if not is_first:
            continue
        second = learnt[name.replace(".lora_A.", ".lora_B.")].double()
        weight = whole[f"{layer}.weight"]
        added = weight.double() + scale * (second @ learnt[name].double())
        whole[f"{layer}.weight"] = added.to(weight.dtype)
    return whole


def write_base(expansion: Path, adapter: Path | None, base: Path) -> None:
    """Write a checkpoint's files with an adapter merged into its weights; without one, as they are.

    The folder is put into place whole, instead of what stood there.
    """
    with temporary_folder(base.parent) as staging:
        for file in expansion.iterdir():
            if file.name not in (MANIFEST, WEIGHTS):
                shutil.copy(file, staging)
        weights = load_file(expansion / WEIGHTS)
        if adapter is not None:
            weights = merged(weights, adapter)
        save_file(weights, staging / WEIGHTS, metadata={"format": "pt"})
        shutil.rmtree(base, ignore_errors=True)
        staging.rename(base)
