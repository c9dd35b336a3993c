"""A folder in AWQ's gemm or GPTQ's layout as an ordinary state dictionary.

transformers reads these layouts through kernels of other packages; here the integers are expanded once,
so that a variant can be judged on any machine.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.engines.loading_report import COPY_AGAIN
from quantgate.pipelines.engines.transformers.workers.stored import read_tensor
from quantgate.pipelines.formats.arrays import read_array
from quantgate.pipelines.formats.packed.config import PARTS, PackedLayout
from quantgate.pipelines.formats.packed.weights import Int4Weight, StoredModule, from_awq, from_gptq
from quantgate.pipelines.formats.safetensors import StoredTensor, read_tensors

_FROM_LAYOUT: dict[Format, Callable[[StoredModule, PackedLayout], Int4Weight]] = {
    Format.AWQ: from_awq,
    Format.GPTQ: from_gptq,
}


def dense_state(folder: Path, layout: PackedLayout, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Return every tensor of the folder by name, packed layers as their `weight` in `dtype`.

    Raises:
        CheckpointError: where a file is damaged, nothing is packed, or a packed layer lacks a part, has one
            too many, or has one of a type, shape or value that its layout does not have.
    """
    modules: dict[str, dict[str, StoredTensor]] = defaultdict(dict)
    tensors = read_tensors(folder)
    for tensor in tensors:
        module, _, part = tensor.name.rpartition(".")
        modules[module][part] = tensor
    packed = {name: parts for name, parts in modules.items() if "qweight" in parts}
    if not packed:
        raise CheckpointError(
            f"config.json says {layout.format}, and no layer holds a `qweight`",
            where=str(folder),
            next_step=COPY_AGAIN,
        )
    state: dict[str, torch.Tensor] = {}
    for tensor in tensors:
        module, _, part = tensor.name.rpartition(".")
        if module not in packed or part not in PARTS[layout.format]:
            state[tensor.name] = read_tensor(tensor)
    for name, parts in packed.items():
        state[f"{name}.weight"] = dense_weight(folder, layout, name, parts).to(dtype)
    return state


def dense_weight(
    folder: Path, layout: PackedLayout, name: str, parts: Mapping[str, StoredTensor]
) -> torch.Tensor:
    """Return a packed layer's weight, outputs x inputs, in float32.

    Raises:
        CheckpointError: as `dense_state` does.
    """
    needed = PARTS[layout.format]
    lacking = [part for part in needed if part not in parts]
    if lacking or "weight" in parts:
        raise CheckpointError(
            f"{name} lacks {lacking[0]}" if lacking else f"{name} has both weight and qweight",
            where=str(folder),
            next_step=COPY_AGAIN,
        )
    arrays = {part: read_array(parts[part]) for part in needed}
    module = StoredModule(name=name, where=str(folder), arrays=arrays)
    return torch.from_numpy(_FROM_LAYOUT[layout.format](module, layout).dense())
