"""Four-bit integers packed eight to a 32-bit word.

The first nibble is the lowest one. Which of eight neighbouring values it holds is a layout's own: in order
in GPTQ's and compressed-tensors' layouts, even places before odd ones in AWQ's gemm layout (`AWQ_ORDER` in
awq/utils/packing_utils.py of autoawq 0.2.9; `QuantLinear.pack` of auto-gptq 0.7.1; `pack_to_int32` of
compressed-tensors 0.19).
"""

from typing import Any, TypeAlias

import numpy as np

Nibbles: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
"""Values 0 to 15, one a byte."""
Words: TypeAlias = np.ndarray[Any, np.dtype[np.int32]]

IN_ORDER = (0, 1, 2, 3, 4, 5, 6, 7)
INTERLEAVED = (0, 2, 4, 6, 1, 3, 5, 7)
"""Nibble n of a word holds the value at this place among its eight."""

VALUES_PER_WORD = 8
_BITS = 4
_LARGEST = 15


def pack(values: Nibbles, *, axis: int, order: tuple[int, ...]) -> Words:
    """Return `values` with every eight along `axis` in one word.

    Raises:
        ValueError: where a value is above 15, or eight do not divide the axis.
    """
    if values.size and int(values.max()) > _LARGEST:
        raise ValueError(f"{int(values.max())} does not fit in four bits")
    if values.shape[axis] % VALUES_PER_WORD:
        raise ValueError(f"{values.shape[axis]} values along axis {axis} do not fill whole words")
    along = np.moveaxis(values, axis, -1)
    eights = along.reshape(*along.shape[:-1], -1, VALUES_PER_WORD)
    words = np.zeros(eights.shape[:-1], dtype=np.uint32)
    for nibble, place in enumerate(order):
        words |= eights[..., place].astype(np.uint32) << np.uint32(_BITS * nibble)
    return np.ascontiguousarray(np.moveaxis(words, -1, axis)).view(np.int32)


def unpack(words: Words, *, axis: int, order: tuple[int, ...]) -> Nibbles:
    """Return the values that `pack` was given."""
    along = np.moveaxis(np.ascontiguousarray(words).view(np.uint32), axis, -1)
    eights = np.empty((*along.shape, VALUES_PER_WORD), dtype=np.uint8)
    for nibble, place in enumerate(order):
        eights[..., place] = (along >> np.uint32(_BITS * nibble)) & np.uint32(_LARGEST)
    return np.moveaxis(eights.reshape(*along.shape[:-1], -1), -1, axis)
