"""Why a quant of others cannot be one of this base, told from headers and configuration alone."""

from collections.abc import Iterator
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.formats.gguf.parts import read_all_headers
from quantgate.pipelines.formats.packed.config import PARTS
from quantgate.pipelines.formats.safetensors import StoredTensor, read_tensors
from quantgate.pipelines.formats.tokenizers.folder import read_json_object

_EMBEDDINGS = "token_embd.weight"
_HEAD = "output.weight"
_MATRIX = 2
_MOST_TIMES = 1.1
_LEAST_TIMES = 0.3
"""Weights in the file for one of the base: converters leave out what serves images or training alone."""
_LEAST_SHARED = 0.5
_LOW_BIT_PARTS = frozenset({"weight_packed", *PARTS[Format.AWQ]})


def gguf_misfits(file: Path, checkpoint: Checkpoint) -> Iterator[str]:
    """Yield why a GGUF cannot be of a base: its embeddings' shape, and how many weights it has.

    Raises:
        CheckpointError: where its header is damaged.
    """
    tensors = {tensor.name: tensor for tensor in read_all_headers(file).tensors}
    embeddings = tensors.get(_EMBEDDINGS)
    shapes = {tensor.shape for tensor in checkpoint.tensors}
    if embeddings is not None and embeddings.shape not in shapes:
        yield (
            f"its token embeddings are {_times(embeddings.shape)}, and this base has no such weight: it is "
            "of another model"
        )
        return
    weights = sum(tensor.parameter_count for name, tensor in tensors.items() if name != _HEAD)
    times = weights / checkpoint.parameter_count
    if not _LEAST_TIMES <= times <= _MOST_TIMES:
        yield (
            f"it holds {weights / 1e6:,.1f} million weights, and this base "
            f"{checkpoint.parameter_count / 1e6:,.1f}: it is of another model"
        )


def folder_misfits(folder: Path, checkpoint: Checkpoint) -> Iterator[str]:
    """Yield why a folder cannot be of a base: its architecture, and names and shapes of its weights.

    Raises:
        CheckpointError: where a file is damaged.
    """
    named = read_json_object(folder / "config.json").get("architectures")
    if named != [checkpoint.architecture]:
        shown = ", ".join(map(str, named)) if isinstance(named, list) else "not said"
        yield f"its architecture is {shown[:200]}, and this base's {checkpoint.architecture}"
        return
    stored = read_tensors(folder)
    bases = {tensor.name: tensor.shape for tensor in checkpoint.tensors}
    for tensor in stored:
        shape = bases.get(tensor.name)
        if shape is not None and shape != tensor.shape and len(shape) == _MATRIX:
            yield f"{tensor.name} is {_times(tensor.shape)}, and this base's {_times(shape)}"
            return
    names = {_weight_name(tensor) for tensor in stored}
    lacking = [name for name, shape in bases.items() if len(shape) >= _MATRIX and name not in names]
    if len(lacking) > _LEAST_SHARED * len(bases):
        yield (
            f"{len(lacking)} of the {len(bases)} weights of this base are not in it, the first is "
            f"{lacking[0]}"
        )


def _weight_name(tensor: StoredTensor) -> str:
    """Return what the base calls a weight, packed or not."""
    module, _, part = tensor.name.rpartition(".")
    return f"{module}.weight" if part in _LOW_BIT_PARTS else tensor.name


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)
