"""What recipes make of a checkpoint folder's tensors, told from names, shapes and the scheme.

Layouts: compressed-tensors 0.19 (`compressors/*/base.py`), AutoAWQ 0.2.9 (`WQLinear_GEMM`) and AutoGPTQ 0.7.1
(`QuantLinear`). Everything that a weight has beside its values counts: scales, zero points, shapes, indices.
"""

import re
from collections.abc import Callable, Iterable
from math import ceil, prod

from quantgate.pipelines.domain.checkpoint import Checkpoint, TensorFacts
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.variant import QuantizedTensor
from quantgate.pipelines.formats.configuration.language_config import language_config
from quantgate.pipelines.formats.safetensors import DTYPE_BITS, FLOAT_TYPES

_WORD, _HALF, _BYTE, _NIBBLE = 32, 16, 8, 4
_HEAD = re.compile(r"(.+\.)?(lm_head|embed_out)\.weight")
_SHAPE_BITS = 2 * 64
"""Two 64-bit numbers: a packed weight's shape before it was packed."""

StoredBits = Callable[[int, int], int]
"""Bits that a weight of so many rows and columns takes."""


def expected_folder(
    checkpoint: Checkpoint,
    quantized: Iterable[TensorFacts],
    *,
    stored_type: str,
    bits: StoredBits,
    left_in: str,
) -> tuple[QuantizedTensor, ...]:
    """Return every tensor: some stored as a type of so many bits, all other floats in full precision.

    Tables of whole numbers stay as they are.
    """
    names = {tensor.name for tensor in quantized}
    return tuple(
        QuantizedTensor(
            name=tensor.name,
            type=stored_type,
            parameter_count=prod(tensor.shape),
            bits_per_weight=bits(*tensor.shape) / prod(tensor.shape),
            quantized=True,
        )
        if tensor.name in names
        else _left(tensor, left_in)
        for tensor in tensors_once(checkpoint)
    )


def _left(tensor: TensorFacts, left_in: str) -> QuantizedTensor:
    kind = left_in if tensor.dtype in FLOAT_TYPES else tensor.dtype
    return QuantizedTensor(
        name=tensor.name,
        type=kind,
        parameter_count=prod(tensor.shape),
        bits_per_weight=float(DTYPE_BITS[kind]),
        quantized=False,
    )


def packed_integers(bits: int, group: int, *, zero_points: bool) -> StoredBits:
    """Rows of integers without gaps between them, a 16-bit scale a group, zero points packed by columns."""

    def stored(rows: int, columns: int) -> int:
        groups = ceil(columns / group)
        values = rows * ceil(columns * bits / _WORD) * _WORD
        zeros = groups * ceil(rows * bits / _WORD) * _WORD if zero_points else 0
        return values + rows * groups * _HALF + zeros + _SHAPE_BITS

    return stored


def whole_bytes(group: int | None) -> StoredBits:
    """A byte a value and a 16-bit scale a group, or a row where there are no groups."""

    def stored(rows: int, columns: int) -> int:
        return rows * columns * _BYTE + rows * (ceil(columns / group) if group else 1) * _HALF

    return stored


def one_scale(rows: int, columns: int) -> int:
    """A byte a value and one 16-bit scale for all."""
    return rows * columns * _BYTE + _HALF


def square_blocks(size: int) -> StoredBits:
    """A byte a value and a 16-bit scale for every square of values."""

    def stored(rows: int, columns: int) -> int:
        return rows * columns * _BYTE + ceil(rows / size) * ceil(columns / size) * _HALF

    return stored


def small_floats(bits: int, group: int, *, global_scale: bool) -> StoredBits:
    """Floats of four or eight bits with an 8-bit scale a group, and a 32-bit one for all in NVFP4."""

    def stored(rows: int, columns: int) -> int:
        scales = rows * ceil(columns / group) * _BYTE
        return rows * columns * bits + scales + (_WORD if global_scale else 0)

    return stored


def words_of_eight(layout: Format, group: int) -> StoredBits:
    """AWQ's gemm layout or GPTQ's: 4-bit values and zero points, 16-bit scales, GPTQ's index of groups."""

    def stored(rows: int, columns: int) -> int:
        groups = ceil(columns / group)
        index = columns * _WORD if layout is Format.GPTQ else 0
        return rows * columns * _NIBBLE + rows * groups * (_HALF + _NIBBLE) + index

    return stored


def tensors_once(checkpoint: Checkpoint) -> Iterable[TensorFacts]:
    """Return what a tool writes: a head that is the embeddings is left out."""
    tied = language_config(checkpoint.folder).get("tie_word_embeddings") is True
    return (t for t in checkpoint.tensors if not (tied and _HEAD.fullmatch(t.name)))
