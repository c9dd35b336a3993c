"""How like the base's the quantized weights of a GGUF are, expanded by ggml's own routines.

Only worker modules import this. `ggml_type_traits` is mirrored from ggml/include/ggml.h of the llama.cpp
inside the pinned llama-cpp-python.
"""

import ctypes
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path

import llama_cpp._ggml
import numpy
from numpy.typing import NDArray

from quantgate.pipelines.domain.verdicts.audit import Resemblance
from quantgate.pipelines.formats.gguf.parts import gguf_files, read_all_headers
from quantgate.pipelines.formats.gguf.types import GGML_TYPES
from quantgate.pipelines.formats.safetensors import FLOAT_TYPES, StoredTensor

_ToFloat = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
# Small enough that a piece is expanded, widened and multiplied within a core's own cache.
_CHUNK_WEIGHTS = 1 << 15


class _Traits(ctypes.Structure):
    """`ggml_type_traits`, as far as it is needed."""

    _fields_ = (
        ("type_name", ctypes.c_char_p),
        ("block_weights", ctypes.c_int64),
        ("block_weights_interleaved", ctypes.c_int64),
        ("block_bytes", ctypes.c_size_t),
        ("is_quantized", ctypes.c_bool),
        ("to_float", ctypes.c_void_p),
    )


_traits_of = llama_cpp._ggml.libggml.ggml_get_type_traits
_traits_of.restype = ctypes.POINTER(_Traits)
_traits_of.argtypes = (ctypes.c_int,)


def resemblances(base: Path, other: Path, threads: int) -> tuple[Resemblance, ...]:
    """Return the cosine of every quantized tensor of `other` with the base's tensor of that name.

    Threads take a tensor each; what expands and multiplies leaves the interpreter to the others.

    Raises:
        CheckpointError: where one of the headers is damaged.
    """
    bases = {tensor.name: tensor for tensor in read_all_headers(base).tensors}
    quantized = [
        tensor
        for tensor in read_all_headers(other).tensors
        if tensor.dtype not in FLOAT_TYPES and _comparable(bases.get(tensor.name), tensor)
    ]
    with ExitStack() as open_files:
        files = dict.fromkeys((*gguf_files(base), *gguf_files(other)))
        maps = {file: open_files.enter_context(_mapped(file)) for file in files}

        def compared(tensor: StoredTensor) -> Resemblance:
            values = (_floats(maps[each.file], each) for each in (bases[tensor.name], tensor))
            return Resemblance(name=tensor.name, cosine=_cosine(*values))

        with ThreadPoolExecutor(max_workers=threads) as workers:
            return tuple(workers.map(compared, quantized))


@contextmanager
def _mapped(path: Path) -> Iterator[mmap]:
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
        yield mapped


def _comparable(base: StoredTensor | None, other: StoredTensor) -> bool:
    return base is not None and base.parameter_count == other.parameter_count


def _cosine(
    base: Iterator[NDArray[numpy.float64]], other: Iterator[NDArray[numpy.float64]]
) -> float:
    """Return the cosine of two streams of equal pieces; 0 where one of them is all zeros."""
    product = base_square = other_square = 0.0
    for first, second in zip(base, other, strict=True):
        product += float(first @ second)
        base_square += float(first @ first)
        other_square += float(second @ second)
    length = (base_square * other_square) ** 0.5
    return product / length if length > 0 else 0.0


def _floats(mapped: mmap, tensor: StoredTensor) -> Iterator[NDArray[numpy.float64]]:
    """Yield a tensor's values in pieces of a fixed number of weights, whole blocks of any type.

    A piece is valid until the next one is asked for.
    """
    kind = GGML_TYPES[tensor.dtype]
    traits = _traits_of(kind.number).contents
    expand = _ToFloat(traits.to_float) if traits.to_float else None
    values = numpy.empty(_CHUNK_WEIGHTS, dtype=numpy.float32)
    widened = numpy.empty(_CHUNK_WEIGHTS, dtype=numpy.float64)
    left, place = tensor.parameter_count, tensor.start
    while left:
        count = min(left, _CHUNK_WEIGHTS)
        size = count // kind.block * kind.block_bytes
        raw = mapped[place : place + size]
        if expand is None:  # single precision needs no expanding
            widened[:count] = numpy.frombuffer(raw, dtype=numpy.float32)
        else:
            expand(raw, values.ctypes.data, count)
            widened[:count] = values[:count]
        yield widened[:count]
        left, place = left - count, place + size
