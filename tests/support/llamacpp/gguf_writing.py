"""GGUF files written for tests: whatever metadata and tensors they are to have."""

import struct
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np

from quantgate.pipelines.formats.gguf.parts import part_name
from quantgate.pipelines.formats.gguf.types import GGML_TYPES

_U32, _F32, _STRING, _ARRAY = 4, 6, 8, 9
_ALIGNMENT = 32

Value = str | int | float | Sequence[str]
Shapes = Mapping[str, tuple[str, tuple[int, ...]]]
"""Types and shapes by name, outermost dimension first."""


def write_gguf(file: Path, metadata: Mapping[str, Value], tensors: Shapes) -> Path:
    """Write a file; its weights are noise, other in every tensor and the same each time."""
    header, size = gguf_header(metadata, tensors)
    noise = np.random.default_rng(size).integers(0, 60, size=size, dtype=np.uint8)
    file.write_bytes(header + noise.tobytes())
    return file


def write_parts(
    folder: Path, stem: str, metadata: Mapping[str, Value], tensors: Shapes, count: int
) -> tuple[Path, ...]:
    """Write a model in parts, as llama-gguf-split does."""
    names = list(tensors)
    parts = []
    for number in range(count):
        held = {name: tensors[name] for name in names[number::count]}
        said: dict[str, Value] = {"split.no": number, "split.count": count}
        said["split.tensors.count"] = len(names)
        file = folder / part_name(stem, number + 1, count)
        parts.append(write_gguf(file, {**(metadata if number == 0 else {}), **said}, held))
    return tuple(parts)


def gguf_header(metadata: Mapping[str, Value], tensors: Shapes) -> tuple[bytes, int]:
    """Return all of a file but its data, and how many bytes these take."""
    entries, offset = b"", 0
    for name, (kind, shape) in tensors.items():
        stored = GGML_TYPES[kind]
        sizes = struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        entries += _string(name) + sizes + struct.pack("<IQ", stored.number, offset)
        size = prod(shape) // stored.block * stored.block_bytes
        offset += -(-size // _ALIGNMENT) * _ALIGNMENT
    pairs = b"".join(_string(key) + _value(value) for key, value in metadata.items())
    header = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata)) + pairs + entries
    return header + b"\0" * (-len(header) % _ALIGNMENT), offset


def _value(value: Value) -> bytes:
    match value:
        case str():
            return struct.pack("<I", _STRING) + _string(value)
        case int():
            return struct.pack("<II", _U32, value)
        case float():
            return struct.pack("<If", _F32, value)
        case _:
            texts = b"".join(_string(text) for text in value)
            return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + texts


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()
