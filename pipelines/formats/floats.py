"""Floats of stored tensors, whatever file they stand in, a bounded piece at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantgate.pipelines.formats.safetensors import StoredTensor

_WORDS: dict[str, "np.dtype[np.floating]"] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
}
_HALF_WORD: "np.dtype[np.unsignedinteger]" = np.dtype("<u2")
_SIGNIFICANT_BITS = {"F64": 53, "F32": 24, "F16": 11, "BF16": 8}
# Below its smallest normal number half precision has a fixed step (2 to the -24).
_SMALLEST_STEP = 6e-8
_CHUNK_ELEMENTS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatDifference:
    """Whether two tensors are equal within rounding, and the largest relative difference if not."""

    equal: bool
    largest: float


def difference(first: StoredTensor, other: StoredTensor) -> FloatDifference:
    """Compare two float tensors; equal means: within one rounding of the less precise of their types.

    Tensors of different element counts differ infinitely.
    """
    if first.parameter_count != other.parameter_count:
        return FloatDifference(equal=False, largest=float("inf"))
    bits = min(_SIGNIFICANT_BITS[first.dtype], _SIGNIFICANT_BITS[other.dtype])
    allowed = 0.0 if first.dtype == other.dtype else 2.0 ** (1 - bits)
    largest = 0.0
    for values, others in zip(_floats(first), _floats(other), strict=True):
        gaps = np.abs(values - others)
        beyond = gaps > _SMALLEST_STEP if allowed else gaps > 0
        if not np.isfinite(gaps).all():
            return FloatDifference(equal=False, largest=float("inf"))
        relative = gaps[beyond] / np.maximum(np.abs(values[beyond]), _SMALLEST_STEP)
        largest = max(largest, float(relative.max(initial=0.0)))
    return FloatDifference(equal=largest <= allowed, largest=largest)


def _floats(tensor: StoredTensor) -> Iterator[NDArray[np.float64]]:
    word_bytes = tensor.size_bytes // max(1, tensor.parameter_count)
    with tensor.file.open("rb") as file:
        file.seek(tensor.start)
        left = tensor.parameter_count
        while left:
            count = min(left, _CHUNK_ELEMENTS)
            yield _decoded(file.read(count * word_bytes), tensor.dtype)
            left -= count


def _decoded(raw: bytes, dtype: str) -> NDArray[np.float64]:
    """A bfloat16 is the upper half of a single-precision float."""
    if dtype == "BF16":
        words = np.frombuffer(raw, dtype=_HALF_WORD).astype(np.uint32) << 16
        return words.view(np.float32).astype(np.float64)
    return np.frombuffer(raw, dtype=_WORDS[dtype]).astype(np.float64)
