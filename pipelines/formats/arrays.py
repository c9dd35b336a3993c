"""Tensors of safetensors files as arrays, and files written from both.

Format: see `pipelines.formats.safetensors`. Wider types come first and the header is padded to whole
words, so that every tensor is aligned, as the safetensors library itself writes them.
"""

import json
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.formats.safetensors import DTYPE_BITS, StoredTensor

Array: TypeAlias = np.ndarray[Any, Any]

_ALIGNMENT_BYTES = 8
_TYPES: "dict[str, np.dtype[Any]]" = {
    "F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2"),
    "I64": np.dtype("<i8"), "I32": np.dtype("<i4"), "I16": np.dtype("<i2"), "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
}  # fmt: skip
_NAMES = {numpy: name for name, numpy in _TYPES.items() if name != "BF16"}


def read_bytes(tensor: StoredTensor) -> bytes:
    """Return a tensor's bytes.

    Raises:
        CheckpointError: where the file ends before them.
    """
    with tensor.file.open("rb") as file:
        file.seek(tensor.start)
        content = file.read(tensor.size_bytes)
    if len(content) != tensor.size_bytes:
        raise CheckpointError(
            f"ends inside {tensor.name}",
            where=str(tensor.file),
            next_step="download or copy the file again and compare its checksum",
        )
    return content


def read_array(tensor: StoredTensor) -> Array:
    """Return a tensor as an array of its own type; bfloat16, which numpy lacks, as float32.

    Raises:
        CheckpointError: where the type has no numpy equal, or the file ends early.
    """
    if tensor.dtype not in _TYPES:
        raise CheckpointError(
            f"{tensor.name} is {tensor.dtype}",
            where=str(tensor.file),
            next_step="store it as F32, F16 or BF16",
        )
    words: Array = np.frombuffer(read_bytes(tensor), dtype=_TYPES[tensor.dtype])
    array = words.reshape(tensor.shape)
    if tensor.dtype == "BF16":  # the upper half of a float32
        return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return array


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingTensor:
    """A tensor that is about to be written: its bytes are asked for when its turn has come."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    content: Callable[[], bytes]

    @property
    def size_bytes(self) -> int:
        """What its shape and type take."""
        return prod(self.shape) * DTYPE_BITS[self.dtype] // 8


def write_tensors(
    path: Path, arrays: Mapping[str, Array], copied: Iterable[StoredTensor] = ()
) -> None:
    """Write a safetensors file of arrays, and of other files' tensors byte for byte.

    Raises:
        KeyError: where an array's type has no name in the format.
        CheckpointError: where a copied tensor's file ends early.
    """
    pending = {
        name: PendingTensor(
            name=name, dtype=_NAMES[array.dtype], shape=array.shape, content=array.tobytes
        )
        for name, array in arrays.items()
    }
    pending |= {
        tensor.name: PendingTensor(
            name=tensor.name,
            dtype=tensor.dtype,
            shape=tensor.shape,
            content=partial(read_bytes, tensor),
        )
        for tensor in copied
    }
    write_pending(path, pending.values())


def write_pending(path: Path, tensors: Iterable[PendingTensor]) -> None:
    """Write a safetensors file of tensors of which one at a time is in memory.

    Raises:
        ValueError: where a tensor's bytes are not those of its shape; else whatever `content` raises.
    """
    ordered = sorted(tensors, key=lambda tensor: (-DTYPE_BITS[tensor.dtype], tensor.name))
    # transformers refuses a file that does not say which framework's tensors it holds.
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for tensor in ordered:
        end = position + tensor.size_bytes
        header[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT_BYTES)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in ordered:
            content = tensor.content()
            if len(content) != tensor.size_bytes:
                raise ValueError(f"{tensor.name} has {len(content)} bytes, not those of its shape")
            file.write(content)
