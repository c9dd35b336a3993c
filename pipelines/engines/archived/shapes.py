"""Which weights the archived packages quantize, and what their layouts ask of shapes.

Both quantize every linear layer of the decoder and leave embeddings and head alone.
"""

from collections.abc import Iterable

from quantgate.pipelines.domain.checkpoint import Checkpoint, TensorFacts

_LAYERS = "model.layers."
_GROUP_SIZES = (128, 64, 32)


def layer_weights(checkpoint: Checkpoint) -> tuple[TensorFacts, ...]:
    """Return the matrices of the decoder's layers."""
    return tuple(
        tensor
        for tensor in checkpoint.tensors
        if tensor.name.startswith(_LAYERS) and len(tensor.shape) == 2
    )


def group_misfits(weights: Iterable[TensorFacts], group_size: int) -> tuple[str, ...]:
    """Return a sentence where groups do not divide the inputs, with what fits instead."""
    undivided = [tensor for tensor in weights if tensor.shape[1] % group_size]
    if not undivided:
        return ()
    fitting = [
        size
        for size in _GROUP_SIZES
        if size < group_size and all(tensor.shape[1] % size == 0 for tensor in undivided)
    ]
    remedy = (
        f"group size {fitting[0]} fits, and so does FP8_DYNAMIC" if fitting else "FP8_DYNAMIC fits"
    )
    return (f"{_first(undivided, 1)}, which groups of {group_size} do not divide; {remedy}",)


def output_misfits(weights: Iterable[TensorFacts], multiple: int, why: str) -> tuple[str, ...]:
    """Return a sentence where outputs are not a multiple of `multiple`; `why` ends it."""
    uneven = [tensor for tensor in weights if tensor.shape[0] % multiple]
    if not uneven:
        return ()
    return (f"{_first(uneven, 0)}, not a multiple of {multiple}, {why}; FP8_DYNAMIC fits",)


def _first(tensors: list[TensorFacts], axis: int) -> str:
    tensor, count = tensors[0], len(tensors)
    others = f" (and {count - 1} more)" if count > 1 else ""
    side = ("outputs", "inputs")[axis]
    rows, columns = tensor.shape
    return f"{tensor.name}{others} has {tensor.shape[axis]} {side} (shape {rows} x {columns})"
