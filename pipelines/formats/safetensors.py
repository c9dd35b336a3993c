"""Headers of safetensors files: what a checkpoint holds, without loading it.

Format (https://github.com/huggingface/safetensors, "Format"): 8 bytes little-endian header length, a JSON
header naming dtype, shape and byte offsets of each tensor, then the tensors without holes. A file
that does not fit its own header was truncated or altered, and is refused.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.json_files import is_given
from quantgate.pipelines.files.json_text import JsonTextError, parse_structure
from quantgate.pipelines.formats.tokenizers.folder import read_json_object

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
DTYPE_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
    "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8,
    "C64": 64,
}  # fmt: skip
FLOAT_TYPES = ("F64", "F32", "F16", "BF16")
"""Those of full precision."""
_LENGTH_BYTES = 8
_HEADER_LIMIT_BYTES = 100_000_000
_HUGE = 1 << 63
_MOST_DIMENSIONS = 16
_AGAIN = "download or copy the checkpoint again and compare its checksums"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """One tensor and where its bytes are: `start` is the offset in `file`, not in the data section."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int
    size_bytes: int

    @property
    def parameter_count(self) -> int:
        """Number of elements."""
        return prod(self.shape)


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return a checkpoint's safetensors files in name order; empty where it has none.

    Raises:
        CheckpointError: where the index names a shard that is not there, or names none.
    """
    if is_given(folder / INDEX_FILE):
        shards = sorted(set(_weight_map(folder).values()))
        for shard in shards:
            if Path(shard).name != shard or not (folder / shard).is_file():
                raise CheckpointError(
                    f"shard {shard} is missing", where=str(folder / INDEX_FILE), next_step=_AGAIN
                )
        return tuple(folder / shard for shard in shards)
    single = folder / SINGLE_FILE
    return (single,) if is_given(single) else ()


def read_tensors(folder: Path) -> tuple[StoredTensor, ...]:
    """Return every tensor of a checkpoint folder, in name order, from the headers alone.

    Raises:
        CheckpointError: where a file is truncated or damaged, or the shards are not what the index says.
    """
    tensors = [tensor for file in weight_files(folder) for tensor in read_header(file)]
    if is_given(folder / INDEX_FILE):
        _compare_with_index(folder, tensors)
    return tuple(sorted(tensors, key=lambda tensor: tensor.name))


def read_header(file: Path) -> tuple[StoredTensor, ...]:
    """Return the tensors of one safetensors file, in the order of their bytes.

    Raises:
        CheckpointError: where header and file do not fit each other.
    """
    size = file.stat().st_size
    with file.open("rb") as handle:
        lead = handle.read(_LENGTH_BYTES)
        length = struct.unpack("<Q", lead)[0] if len(lead) == _LENGTH_BYTES else 0
        if not 2 <= length <= _HEADER_LIMIT_BYTES:
            raise _damaged(file, "does not begin with a safetensors header")
        if _LENGTH_BYTES + length > size:
            raise _damaged(file, f"is truncated: {size:,} bytes end inside the header")
        header = _parse(handle.read(length), file)
    tensors = tuple(sorted(_tensors(header, file, _LENGTH_BYTES + length), key=lambda t: t.start))
    _require_no_holes(tensors, file, begin=_LENGTH_BYTES + length, end=size)
    return tensors


def _parse(text: bytes, file: Path) -> JsonObject:
    try:
        header = parse_structure(text.decode())
    except (JsonTextError, UnicodeDecodeError) as error:
        raise _damaged(file, f"has a header that is not valid JSON ({error})") from error
    if not isinstance(header, dict):
        raise _damaged(file, "has a header that is not a JSON object")
    return header


def _tensors(header: JsonObject, file: Path, begin: int) -> Iterator[StoredTensor]:
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        match entry:
            case {
                "dtype": str(dtype),
                "shape": list(shape),
                "data_offsets": [int(start), int(end)],
            }:
                sizes = tuple(size for size in shape if isinstance(size, int) and 0 <= size < _HUGE)
                if len(sizes) != len(shape) or len(sizes) > _MOST_DIMENSIONS:
                    raise _damaged(file, f"gives {name[:200]} a shape that no tensor has")
                if dtype not in DTYPE_BITS:
                    raise _damaged(file, f"stores {name[:200]} as {dtype[:200]}, which is unknown")
                if not 0 <= start <= end < _HUGE:
                    raise _damaged(file, f"gives {name[:200]} offsets that no file has")
                if (end - start) * 8 != prod(sizes) * DTYPE_BITS[dtype]:
                    raise _damaged(
                        file, f"gives {name[:200]} {end - start:,} bytes, not those of its shape"
                    )
                yield StoredTensor(
                    name=name,
                    dtype=dtype,
                    shape=sizes,
                    file=file,
                    start=begin + start,
                    size_bytes=end - start,
                )
            case _:
                raise _damaged(file, f"has no readable description of {name[:200]}")


def _require_no_holes(
    tensors: tuple[StoredTensor, ...], file: Path, *, begin: int, end: int
) -> None:
    position = begin
    for tensor in tensors:
        if tensor.start != position:
            raise _damaged(file, f"has a hole or an overlap before {tensor.name[:200]}")
        position += tensor.size_bytes
    if position > end:
        raise _damaged(
            file, f"is truncated: its header promises {position:,} bytes, it has {end:,}"
        )
    if position < end:
        raise _damaged(file, f"has {end - position:,} bytes more than its header describes")


def _weight_map(folder: Path) -> dict[str, str]:
    entries = read_json_object(folder / INDEX_FILE).get("weight_map")
    shards = entries if isinstance(entries, dict) else {}
    names = {name: shard for name, shard in shards.items() if isinstance(shard, str)}
    if not names or len(names) != len(shards):
        raise CheckpointError(
            "has no readable weight_map", where=str(folder / INDEX_FILE), next_step=_AGAIN
        )
    return names


def _compare_with_index(folder: Path, tensors: list[StoredTensor]) -> None:
    stored = {tensor.name: tensor.file.name for tensor in tensors}
    promised = _weight_map(folder)
    for name in sorted(promised.keys() | stored.keys()):
        if promised.get(name) != stored.get(name):
            raise CheckpointError(
                f"says that {name} stands in {promised.get(name, 'no shard')}, "
                f"but it stands in {stored.get(name, 'no shard')}",
                where=str(folder / INDEX_FILE),
                next_step=_AGAIN,
            )


def _damaged(file: Path, what: str) -> CheckpointError:
    return CheckpointError(what, where=str(file), next_step=_AGAIN)
