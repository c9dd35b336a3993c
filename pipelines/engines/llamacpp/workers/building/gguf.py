"""GGUF files mapped, checked by ggml's own validation, and written by its own writer."""

import ctypes
import mmap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy
from numpy.typing import NDArray

from quantgate.pipelines.domain.errors import CheckpointError, WorkerError
from quantgate.pipelines.engines.llamacpp.workers.building.ggml import (
    F32,
    InitParameters,
    ggml,
)
from quantgate.pipelines.formats.gguf.header import GgufHeader, read_gguf_header
from quantgate.pipelines.formats.gguf.types import GGML_TYPES
from quantgate.pipelines.formats.safetensors import StoredTensor

FloatArray = NDArray[numpy.float32]
_ALIGNMENT_BYTES = 64


class Gguf:
    """An open GGUF: its tensors in file order, their bytes mapped; `architecture` as llama.cpp calls it."""

    def __init__(self, header: GgufHeader, view: mmap.mmap) -> None:
        """Use `read_gguf`."""
        self.tensors = header.tensors
        self.architecture = header.architecture
        self._view = view
        self._mapped: NDArray[numpy.uint8] = numpy.frombuffer(view, dtype=numpy.uint8)

    def is_finite(self, tensor: StoredTensor) -> bool:
        """Whether no weight and no scale is NaN or infinite, by ggml's own validation of each type.

        Its pages are let go afterwards: a look at all tensors would hold the whole file in memory.
        """
        raw = self.bytes_of(tensor)
        address = ctypes.c_void_p(raw.ctypes.data)
        number = GGML_TYPES[tensor.dtype].number
        finite = bool(ggml.ggml_validate_row_data(number, address, tensor.size_bytes))
        start = tensor.start - tensor.start % mmap.PAGESIZE
        self._view.madvise(mmap.MADV_DONTNEED, start, tensor.start + tensor.size_bytes - start)
        return finite

    def floats(self, tensor: StoredTensor) -> FloatArray:
        """Return an F32 tensor's values, flat, copied."""
        return self.bytes_of(tensor).view(numpy.float32).copy()

    def bytes_of(self, tensor: StoredTensor) -> NDArray[numpy.uint8]:
        """Return a tensor's bytes; valid while the file is open."""
        return self._mapped[tensor.start : tensor.start + tensor.size_bytes]


@contextmanager
def read_gguf(path: Path) -> Iterator[Gguf]:
    """Open a GGUF for reading.

    Raises:
        WorkerError: where it is no GGUF, or shorter than its own table of tensors says.
    """
    try:
        header = read_gguf_header(path)
    except CheckpointError as error:
        raise WorkerError(error.what, where=str(path)) from error
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        gguf = Gguf(header, view)
        try:
            yield gguf
        finally:
            # A mapping cannot close while an array looks into it.
            del gguf._mapped


def write_imatrix(
    path: Path,
    entries: Mapping[str, tuple[FloatArray, FloatArray]],
    *,
    dataset: str,
    chunk_count: int,
    chunk_size_tokens: int,
) -> None:
    """Write an importance matrix in the GGUF layout of llama-imatrix (tools/imatrix/imatrix.cpp).

    `entries` maps a weight's name to its sums of squares (matrices x row size) and counts (matrices).

    Raises:
        WorkerError: where the file cannot be written.
    """
    room = 2 * len(entries) * (ggml.ggml_tensor_overhead() + _ALIGNMENT_BYTES)
    room += sum(sums.nbytes + counts.nbytes for sums, counts in entries.values()) + _ALIGNMENT_BYTES
    context = ggml.ggml_init(InitParameters(room, None, False))
    gguf = ggml.gguf_init_empty()
    try:
        ggml.gguf_set_val_str(gguf, b"general.type", b"imatrix")
        names = (ctypes.c_char_p * 1)(dataset.encode())
        ggml.gguf_set_arr_str(gguf, b"imatrix.datasets", names, 1)
        ggml.gguf_set_val_u32(gguf, b"imatrix.chunk_count", chunk_count)
        ggml.gguf_set_val_u32(gguf, b"imatrix.chunk_size", chunk_size_tokens)
        for name, (sums, counts) in sorted(entries.items()):
            _add(context, gguf, f"{name}.in_sum2", sums)
            _add(context, gguf, f"{name}.counts", counts.reshape(-1, 1))
        if not ggml.gguf_write_to_file(gguf, str(path).encode(), False):
            raise WorkerError("cannot be written (disk full?)", where=str(path))
    finally:
        ggml.gguf_free(gguf)
        ggml.ggml_free(context)


def _add(context: int, gguf: int, name: str, values: FloatArray) -> None:
    rows, columns = values.shape
    tensor = ggml.ggml_new_tensor_2d(context, F32, columns, rows)
    ggml.ggml_set_name(tensor, name.encode())
    contiguous = numpy.ascontiguousarray(values, dtype=numpy.float32)
    ctypes.memmove(ggml.ggml_get_data(tensor), contiguous.ctypes.data, contiguous.nbytes)
    ggml.gguf_add_tensor(gguf, tensor)
