"""Headers of GGUF files: metadata and tensors, without loading them and without llama.cpp.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3: magic, version, counts;
key-value pairs; for each tensor its name, dimensions (innermost first), type number and offset into the data,
which begins at the next multiple of `general.alignment` (32).
"""

import mmap
import os
import struct
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.formats.gguf.types import GGML_TYPES
from quantgate.pipelines.formats.safetensors import StoredTensor

_MAGIC = b"GGUF"
_AGAIN = "download or copy the file again and compare its checksum"
_VERSIONS = (2, 3)  # 1 counts in 32 bits; llama.cpp refuses all others too (gguf.cpp)
_STRING, _ARRAY = 8, 9
_NUMBERS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_ALIGNMENT_BYTES = 32
_DEEPEST_ARRAY = 8
_MOST_DIMENSIONS = 4  # GGML_MAX_DIMS
_LONGEST_STRING_BYTES = 1 << 26
_LENGTH = struct.Struct("<Q")
_LONGEST_LIST = 1000
"""Longer ones (vocabularies) are passed over where nobody asked for them; lists by layer are shorter."""
_TYPES = {kind.number: kind for kind in GGML_TYPES.values()}


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHeader:
    """Metadata by key (None for lists passed over) and tensors in file order; shapes are outermost first."""

    metadata: JsonObject
    tensors: tuple[StoredTensor, ...]

    @property
    def architecture(self) -> str:
        """What llama.cpp calls the model, "" where the file does not say."""
        called = self.metadata.get("general.architecture")
        return called if isinstance(called, str) else ""


def read_gguf_header(file: Path, *, longest_list: int = _LONGEST_LIST) -> GgufHeader:
    """Read the header of a GGUF file.

    Raises:
        CheckpointError: where it is none, is cut off, names a key or a tensor twice, or has a tensor of an
            unknown type.
    """
    with _opened(file, longest_list) as reader:
        return _header(reader, file)


@contextmanager
def _opened(file: Path, longest_list: int) -> Iterator["_HeaderReader"]:
    try:
        with file.open("rb") as handle:
            yield _HeaderReader(handle, longest_list)
    except (struct.error, UnicodeDecodeError) as error:
        raise CheckpointError(
            "has a GGUF header that is damaged or cut off", where=str(file), next_step=_AGAIN
        ) from error


def _metadata(reader: "_HeaderReader", file: Path) -> tuple[JsonObject, int]:
    """Return metadata by key, and how many tensors follow."""
    if reader.bytes(4) != _MAGIC:
        raise CheckpointError("does not begin as a GGUF file", where=str(file), next_step=_AGAIN)
    version = reader.number("I")
    if version not in _VERSIONS:
        raise CheckpointError(
            f"is of GGUF version {version}, and this reads 2 and 3 in little-endian order",
            where=str(file),
            next_step="convert it anew, or look for one that a current llama.cpp wrote",
        )
    tensor_count, pair_count = reader.numbers("QQ")
    metadata: JsonObject = {}
    for _ in range(pair_count):
        key = reader.string()
        if key in metadata:
            raise CheckpointError(
                f"has the metadata key '{key[:200]}' twice",
                where=str(file),
                next_step=_AGAIN,
            )
        metadata[key] = reader.value(reader.number("I"))
    return metadata, tensor_count


def _header(reader: "_HeaderReader", file: Path) -> GgufHeader:
    metadata, tensor_count = _metadata(reader, file)
    entries = [_entry(reader, file) for _ in range(tensor_count)]
    counts = Counter(name for name, *_ in entries)
    if twice := next((name for name, count in counts.items() if count > 1), None):
        raise CheckpointError(
            f"has the tensor '{twice[:200]}' twice",
            where=str(file),
            next_step=_AGAIN,
        )
    alignment = metadata.get("general.alignment", _ALIGNMENT_BYTES)
    step = alignment if isinstance(alignment, int) and alignment > 0 else _ALIGNMENT_BYTES
    start = -(-reader.position // step) * step
    tensors = tuple(
        StoredTensor(
            name=name,
            dtype=dtype,
            shape=shape,
            file=file,
            start=start + offset,
            size_bytes=size,
        )
        for name, dtype, shape, offset, size in entries
    )
    end = max((tensor.start + tensor.size_bytes for tensor in tensors), default=0)
    if file.stat().st_size < end:
        raise CheckpointError(
            f"is truncated: its tensors end at {end:,} bytes, it has {file.stat().st_size:,}",
            where=str(file),
            next_step=_AGAIN,
        )
    return GgufHeader(metadata=metadata, tensors=tensors)


def _entry(reader: "_HeaderReader", file: Path) -> tuple[str, str, tuple[int, ...], int, int]:
    """Return a tensor's name, type, shape, offset into the data and size in bytes."""
    name = reader.string()
    dimensions = reader.number("I")
    if dimensions > _MOST_DIMENSIONS:
        raise struct.error("a tensor has more dimensions than ggml knows")
    shape = tuple(reversed([reader.number("Q") for _ in range(dimensions)]))
    kind, offset = reader.number("I"), reader.number("Q")
    if kind not in _TYPES:
        raise CheckpointError(
            f"holds {name} in an unknown type ({kind})",
            where=str(file),
            next_step="take a file whose types llama.cpp has (`quantgate recipes` lists what is built here)",
        )
    stored = _TYPES[kind]
    return name, stored.name, shape, offset, prod(shape) // stored.block * stored.block_bytes


class _HeaderReader:
    """Little-endian values, one after the other."""

    def __init__(self, handle: BinaryIO, longest_list: int) -> None:
        self._handle = handle
        self._size = os.fstat(handle.fileno()).st_size
        self._longest_list = longest_list

    @property
    def position(self) -> int:
        return self._handle.tell()

    def bytes(self, count: int) -> bytes:
        return self._handle.read(count)

    def numbers(self, layout: str) -> tuple[int, ...]:
        size = struct.calcsize(f"<{layout}")
        return struct.unpack(f"<{layout}", self._handle.read(size))

    def number(self, layout: str) -> int:
        return self.numbers(layout)[0]

    def skip(self, count: int) -> None:
        if self.position + count > self._size:
            raise struct.error("a list ends behind the file")
        self._handle.seek(count, 1)

    def string(self) -> str:
        length = self.number("Q")
        if length > _LONGEST_STRING_BYTES:
            raise struct.error("a string is longer than any header")
        return self._handle.read(length).decode()

    def value(self, kind: int, depth: int = 0) -> JsonValue:
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.number(_layout(kind))
        if depth > _DEEPEST_ARRAY:
            raise struct.error("lists nest too deep")
        inner, count = self.numbers("IQ")
        if inner in _NUMBERS:
            return self._list(_layout(inner), count)
        if count <= self._longest_list:
            return [self.value(inner, depth + 1) for _ in range(count)]
        if inner == _STRING:
            self._pass_strings(count)
        else:
            deque((self.value(inner, depth + 1) for _ in range(count)), maxlen=0)
        return None

    def _pass_strings(self, count: int) -> None:
        """Go from length to length: a vocabulary that nobody asked for is no reason to decode it."""
        position = self.position
        with mmap.mmap(self._handle.fileno(), 0, access=mmap.ACCESS_READ) as view:
            for _ in range(count):
                position += _LENGTH.size + _LENGTH.unpack_from(view, position)[0]
                if position > self._size:
                    raise struct.error("a list ends behind the file")
        self._handle.seek(position)

    def _list(self, layout: str, count: int) -> JsonValue:
        """Read numbers at one go; `skip` refuses what is longer than the file before memory is taken."""
        start, size = self.position, struct.calcsize(f"<{layout}")
        self.skip(size * count)
        if count > self._longest_list:
            return None
        self._handle.seek(start)
        return [value for (value,) in struct.iter_unpack(f"<{layout}", self.bytes(size * count))]


def _layout(kind: int) -> str:
    if kind not in _NUMBERS:
        raise struct.error(f"unknown kind of value {kind}")
    return _NUMBERS[kind]
