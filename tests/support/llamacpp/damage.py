"""Changing single things in a GGUF, in place and without moving a byte."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy

from quantgate.pipelines.formats.gguf.header import read_gguf_header
from quantgate.pipelines.formats.safetensors import StoredTensor

Q4_K_BLOCK_BYTES, Q4_K_SCALE_BYTES = 144, 16
"""block_q4_K in ggml/src/ggml-common.h: two F16 scales, twelve bytes of small ones, 128 of weights."""


def tensor(file: Path, name: str) -> StoredTensor:
    """Return a tensor's place in the file."""
    return next(t for t in read_gguf_header(file).tensors if t.name == name)


def edit_tensor(file: Path, name: str, edit: Callable[[bytearray], None]) -> None:
    """Change the bytes of one tensor."""
    place = tensor(file, name)
    content = bytearray(file.read_bytes())
    part = content[place.start : place.start + place.size_bytes]
    edit(part)
    content[place.start : place.start + place.size_bytes] = part
    file.write_bytes(content)


def swap_tensors(file: Path, one: str, other: str) -> None:
    """Exchange two tensors of one type and size."""
    first, second = tensor(file, one), tensor(file, other)
    assert (first.dtype, first.size_bytes) == (second.dtype, second.size_bytes)
    content = bytearray(file.read_bytes())
    kept = content[first.start : first.start + first.size_bytes]
    content[first.start : first.start + first.size_bytes] = content[
        second.start : second.start + second.size_bytes
    ]
    content[second.start : second.start + second.size_bytes] = kept
    file.write_bytes(content)


def zero_scales(part: bytearray) -> None:
    """Set every scale of a Q4_K tensor to zero."""
    blocks = numpy.frombuffer(part, dtype=numpy.uint8).reshape(-1, Q4_K_BLOCK_BYTES)
    blocks[:, :Q4_K_SCALE_BYTES] = 0


def spoil_first_scale(part: bytearray) -> None:
    """Make the first scale NaN."""
    part[:2] = struct.pack("<H", 0x7E00)


def scramble(part: bytearray) -> None:
    """Replace the weights of a Q4_K tensor, but not their scales, by noise."""
    blocks = numpy.frombuffer(part, dtype=numpy.uint8).reshape(-1, Q4_K_BLOCK_BYTES)
    noise = numpy.random.default_rng(0).integers(0, 256, size=blocks.shape, dtype=numpy.uint8)
    blocks[:, Q4_K_SCALE_BYTES:] = noise[:, Q4_K_SCALE_BYTES:]


def set_number(file: Path, key: str, value: int) -> None:
    """Change an unsigned 32-bit value of the metadata."""
    content = bytearray(file.read_bytes())
    place = _value(content, key)
    content[place : place + 4] = struct.pack("<I", value)
    file.write_bytes(content)


def replace_text(file: Path, key: str, old: str, new: str) -> None:
    """Change a string of the metadata, everywhere in it; texts of equal length only."""
    assert len(old.encode()) == len(new.encode())
    content = bytearray(file.read_bytes())
    place = _value(content, key)
    (length,) = struct.unpack("<Q", content[place : place + 8])
    text = bytes(content[place + 8 : place + 8 + length])
    assert old.encode() in text
    content[place + 8 : place + 8 + length] = text.replace(old.encode(), new.encode())
    file.write_bytes(content)


def rename_token(file: Path, old: str, new: str) -> None:
    """Let the vocabulary hold another text in a token's place; texts of equal length only."""
    assert len(old.encode()) == len(new.encode())
    content = file.read_bytes()
    tokens = content.index(b"tokenizer.ggml.tokens")
    place = content.index(struct.pack("<Q", len(old.encode())) + old.encode(), tokens)
    end = place + 8 + len(old.encode())
    file.write_bytes(content[: place + 8] + new.encode() + content[end:])


def swap_merges(file: Path) -> None:
    """Exchange two neighbouring merges of equal length."""
    content = bytearray(file.read_bytes())
    place = _value(content, "tokenizer.ggml.merges") + 12  # the kind of entries, and how many
    while True:
        first, after = _entry(content, place)
        second, end = _entry(content, after)
        if len(first) == len(second) and first != second:
            content[place:end] = second + first
            file.write_bytes(content)
            return
        place = after


def _entry(content: bytearray, place: int) -> tuple[bytes, int]:
    """Return a string of a list with its length before it, and where the next one begins."""
    (length,) = struct.unpack("<Q", content[place : place + 8])
    end = place + 8 + length
    return bytes(content[place:end]), end


def retype_token(file: Path, token: int, kind: int) -> None:
    """Change the kind of one token of the vocabulary (`llama_token_type` in include/llama.h)."""
    content = bytearray(file.read_bytes())
    place = _value(content, "tokenizer.ggml.token_type") + 12 + 4 * token
    content[place : place + 4] = struct.pack("<i", kind)
    file.write_bytes(content)


def _value(content: bytearray, key: str) -> int:
    """Return where a key's value begins, behind the number of its kind."""
    name = struct.pack("<Q", len(key)) + key.encode()
    return content.index(name) + len(name) + 4
