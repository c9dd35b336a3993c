"""GGUF files of real proportions without real weights: headers, and holes where the data would be."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

_U32, _F32, _STRING = 4, 6, 8
_ALIGNMENT = 32
_F16_NUMBER, _F32_NUMBER = 1, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportions:
    """A decoder of Llama's make, whatever it is called.

    It has `ids` tokens, `heads` of queries and `kv_heads` of keys and values.
    """

    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    ids: int
    tied: bool = True
    experts: int = 0
    architecture: str = "llama"

    @property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Shapes by GGUF name, outermost dimension first."""
        shapes = dict(self._outside())
        for layer in range(self.layers):
            shapes |= {f"blk.{layer}.{name}": shape for name, shape in self._inside()}
        return shapes

    def _outside(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield "token_embd.weight", (self.ids, self.hidden)
        yield "output_norm.weight", (self.hidden,)
        if not self.tied:
            yield "output.weight", (self.ids, self.hidden)

    def _inside(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        hidden, inner = self.hidden, self.inner
        narrow = hidden // self.heads * self.kv_heads
        yield "attn_norm.weight", (hidden,)
        yield "ffn_norm.weight", (hidden,)
        yield "attn_q.weight", (hidden, hidden)
        yield "attn_k.weight", (narrow, hidden)
        yield "attn_v.weight", (narrow, hidden)
        yield "attn_output.weight", (hidden, hidden)
        if not self.experts:
            yield "ffn_gate.weight", (inner, hidden)
            yield "ffn_up.weight", (inner, hidden)
            yield "ffn_down.weight", (hidden, inner)
            return
        yield "ffn_gate_inp.weight", (self.experts, hidden)
        yield "ffn_gate_exps.weight", (self.experts, inner, hidden)
        yield "ffn_up_exps.weight", (self.experts, inner, hidden)
        yield "ffn_down_exps.weight", (self.experts, hidden, inner)


def write_skeleton(shape: Proportions, file: Path) -> Path:
    """Write a GGUF of an architecture; its weights are a hole in the file."""
    pairs = list(_pairs(shape))
    entries, end = _entries(shape.tensors)
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(shape.tensors), len(pairs))
    header = head + b"".join(pairs) + entries
    with file.open("wb") as handle:
        handle.write(header)
        handle.truncate(-(-len(header) // _ALIGNMENT) * _ALIGNMENT + end)
    return file


def _pairs(shape: Proportions) -> Iterator[bytes]:
    yield _text("general.architecture", shape.architecture)
    numbers = {
        "block_count": shape.layers,
        "context_length": 512,
        "embedding_length": shape.hidden,
        "feed_forward_length": shape.inner,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads,
        "rope.dimension_count": shape.hidden // shape.heads,
        "vocab_size": shape.ids,
        **({"expert_count": shape.experts, "expert_used_count": 2} if shape.experts else {}),
    }
    for name, number in numbers.items():
        yield _string(f"{shape.architecture}.{name}") + struct.pack("<II", _U32, number)
    for norm in ("layer_norm_rms_epsilon", "layer_norm_epsilon"):
        epsilon = _string(f"{shape.architecture}.attention.{norm}")
        yield epsilon + struct.pack("<If", _F32, 1e-5)


def _entries(tensors: Mapping[str, Sequence[int]]) -> tuple[bytes, int]:
    """Return the tensors' entries, and where the last one's data ends."""
    entries, offset = b"", 0
    for name, shape in tensors.items():
        number = _F16_NUMBER if len(shape) > 1 and "gate_inp" not in name else _F32_NUMBER
        sizes = struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        entries += _string(name) + sizes + struct.pack("<IQ", number, offset)
        size = prod(shape) * (2 if number == _F16_NUMBER else 4)
        offset += -(-size // _ALIGNMENT) * _ALIGNMENT
    return entries, offset


def _text(key: str, value: str) -> bytes:
    return _string(key) + struct.pack("<I", _STRING) + _string(value)


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()
