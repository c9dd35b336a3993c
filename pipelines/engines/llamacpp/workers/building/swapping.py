"""Weights of a loaded model taken from other files, one by one: a quantization tried without being written.

llama.cpp looks at a weight's type, strides and address each time that it multiplies, so a weight that is
pointed at another file's bytes is that file's weight, with the kernels of its type. Files are mapped, not
read: a trial costs one forward pass, where writing and loading a model would cost its size twice.
"""

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import llama_cpp

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.engines.llamacpp.workers.building.ggml import (
    Operations,
    Tensor,
    ggml,
    tensor_at,
)
from quantgate.pipelines.engines.llamacpp.workers.building.gguf import Gguf, read_gguf
from quantgate.pipelines.engines.llamacpp.workers.building.packing import (
    Packed,
    decode,
    packed_context,
)
from quantgate.pipelines.engines.llamacpp.workers.opening import LlamaLog, open_context
from quantgate.pipelines.formats.gguf.types import GGML_TYPES
from quantgate.pipelines.formats.safetensors import StoredTensor

_LEAF, _WARM_UP_TOKENS = 0, 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """Where a weight's bytes are, and how they are laid out."""

    type: int
    strides: tuple[int, int, int, int]
    address: int


class SwappableWeights:
    """The weights of a loaded model, by name; one may stand at several places (tied embeddings)."""

    def __init__(self, addresses: Mapping[str, tuple[int, ...]], files: Mapping[str, Gguf]) -> None:
        """Use `swappable_weights`."""
        self._addresses = addresses
        self._files = {
            kind: (file, {tensor.name: tensor for tensor in file.tensors})
            for kind, file in files.items()
        }
        self._originals = {
            address: _placed(tensor_at(address))
            for places in addresses.values()
            for address in places
        }

    def use(self, assignment: Mapping[str, str]) -> None:
        """Take the named weights from the file of their type, all others from the model itself.

        Raises:
            WorkerError: where a file holds one of them in another type, or the model never used it.
        """
        self.restore()
        for name, kind in assignment.items():
            file, tensors = self._files[kind]
            tensor = tensors[name]
            if tensor.dtype != kind:
                raise WorkerError(f"{name} is {tensor.dtype} in the file for {kind}")
            if name not in self._addresses:
                raise WorkerError(f"{name} takes no part in decoding: its type cannot be tried")
            for address in self._addresses[name]:
                _place(tensor_at(address), _mapped(file, tensor, tensor_at(address)))

    def close(self) -> None:
        """Restore, and let go of the files."""
        self.restore()
        self._files = {}

    def restore(self) -> None:
        """Take every weight from the model itself."""
        for address, original in self._originals.items():
            _place(tensor_at(address), original)


@contextmanager
def swappable_weights(
    model: ctypes.c_void_p, names: frozenset[str], files: Mapping[str, Path], log: LlamaLog
) -> Iterator[SwappableWeights]:
    """Find the named weights of a model and map the files that hold them in other types.

    Every weight is the model's own again on leaving, before the files are closed.

    Raises:
        ToolchainError: where this llama.cpp lays out its tensors differently than mirrored here.
        WorkerError: where a weight is not in main memory as ggml's plain layout.
    """
    Operations()  # compares the mirrored structure with the library
    addresses = _addresses(model, names, log)
    with ExitStack() as stack:
        opened = {kind: stack.enter_context(read_gguf(path)) for kind, path in files.items()}
        weights = SwappableWeights(addresses, opened)
        try:
            yield weights
        finally:
            weights.close()


class _Finder:
    """An evaluation callback that takes nothing and remembers which weights operations are given."""

    def __init__(self, names: frozenset[str]) -> None:
        self.places: dict[str, set[int]] = {}
        self.foreign: str | None = None
        self._names = names
        self.callback = llama_cpp.ggml_backend_sched_eval_callback(self._called)

    def _called(self, address: int, _asked: bool, _user: object) -> bool:
        for source in tensor_at(address).src:
            if source:
                self._look(source)
        return False

    def _look(self, address: int) -> None:
        tensor = tensor_at(address)
        name = bytes(tensor.name).decode(errors="replace")
        if tensor.op != _LEAF or name not in self._names:
            return
        if tensor.extra or not ggml.ggml_backend_buffer_is_host(tensor.buffer):
            self.foreign = name
        self.places.setdefault(name, set()).add(address)


def _addresses(
    model: ctypes.c_void_p, names: frozenset[str], log: LlamaLog
) -> dict[str, tuple[int, ...]]:
    """Decode a few tokens and note where the weights are; they stay there as long as the model does."""
    finder = _Finder(names)
    parameters = packed_context(_WARM_UP_TOKENS, _WARM_UP_TOKENS, 1)
    parameters.cb_eval = finder.callback
    context = open_context(model, parameters, log)
    try:
        packed = Packed(
            tokens=[0] * _WARM_UP_TOKENS,
            positions=list(range(_WARM_UP_TOKENS)),
            sequences=[0] * _WARM_UP_TOKENS,
        )
        for _ in decode(context, packed, _WARM_UP_TOKENS, log):
            pass
    finally:
        llama_cpp.llama_free(context)
    if finder.foreign is not None:
        raise WorkerError(f"{finder.foreign} is not in main memory in ggml's plain layout")
    return {name: tuple(sorted(places)) for name, places in finder.places.items()}


def _placed(tensor: Tensor) -> _Placed:
    first, second, third, fourth = tensor.nb
    return _Placed(type=tensor.type, strides=(first, second, third, fourth), address=tensor.data)


def _mapped(file: Gguf, tensor: StoredTensor, place: Tensor) -> _Placed:
    """Return a file's tensor as ggml lays out contiguous rows (`ggml_new_tensor_impl` in ggml.c)."""
    columns, rows, matrices, _ = place.ne
    if tensor.parameter_count != columns * rows * matrices:
        raise WorkerError(f"{tensor.name} has another shape in the file for {tensor.dtype}")
    row = tensor.size_bytes // (rows * matrices)
    kind = GGML_TYPES[tensor.dtype]
    return _Placed(
        type=kind.number,
        strides=(kind.block_bytes, row, row * rows, row * rows * matrices),
        address=file.bytes_of(tensor).ctypes.data,
    )


def _place(tensor: Tensor, placed: _Placed) -> None:
    tensor.type, tensor.data = placed.type, placed.address
    for dimension, stride in enumerate(placed.strides):
        tensor.nb[dimension] = stride
