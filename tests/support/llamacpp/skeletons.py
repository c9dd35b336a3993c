"""GGUF files of real proportions without real weights: headers, and holes where the data would be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.llamacpp.gguf_writing import Value, gguf_header


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportions:
    """A decoder of Llama's make, whatever it is called.

    It has `ids` tokens, `heads` of queries and `kv_heads` of keys and values. `more` are matrices that an
    architecture has in each layer beside those, by name; `settings` numbers that it asks for, by key.
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
    more: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    settings: Mapping[str, Value] = field(default_factory=dict)

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
        yield from self.more.items()
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
    types = {
        name: ("F16" if len(size) > 1 and "gate_inp" not in name else "F32", size)
        for name, size in shape.tensors.items()
    }
    header, size_bytes = gguf_header(_metadata(shape), types)
    with file.open("wb") as handle:
        handle.write(header)
        handle.truncate(len(header) + size_bytes)
    return file


def _metadata(shape: Proportions) -> dict[str, Value]:
    numbers: dict[str, Value] = {
        "block_count": shape.layers,
        "context_length": 512,
        "embedding_length": shape.hidden,
        "feed_forward_length": shape.inner,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads,
        "rope.dimension_count": shape.hidden // shape.heads,
        "vocab_size": shape.ids,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "attention.layer_norm_epsilon": 1e-5,
        **({"expert_count": shape.experts, "expert_used_count": 2} if shape.experts else {}),
        **shape.settings,
    }
    named: dict[str, Value] = {
        f"{shape.architecture}.{name}": number for name, number in numbers.items()
    }
    return {"general.architecture": shape.architecture, **named}
