"""Llama checkpoints with random weights and the example's tokenizer, of any size, the same ones each time.

Weights are written one after the other: a checkpoint may be larger than memory.
"""

import json
import shutil
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from tests.support.project import EXAMPLE

HEAD = 64
_BFLOAT16_SHIFT = 16
_SIZE_BYTES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of a Llama; `layers` alone decides how large the file is for given widths."""

    hidden: int
    feed_forward: int
    layers: int

    @property
    def heads(self) -> int:
        """Heads that ask."""
        return self.hidden // HEAD

    @property
    def key_heads(self) -> int:
        """Heads that are asked: a third of the others, or the next fewer that divide them."""
        most = max(1, self.heads // 3)
        return next(count for count in range(most, 0, -1) if self.heads % count == 0)


Described = tuple[str, tuple[int, ...]]
"""A tensor's name and shape."""


def write_random_llama(folder: Path, shape: Shape, files: int = 1) -> Path:
    """Write a checkpoint in bfloat16, its tensors spread over so many files in their order."""
    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(EXAMPLE / "checkpoint" / name, folder / name)
    config = json.loads((EXAMPLE / "checkpoint" / "config.json").read_text())
    config |= {
        "hidden_size": shape.hidden,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_heads,
        "head_dim": HEAD,
        "dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config))
    _write_weights(folder, tuple(_tensors(shape, vocabulary=config["vocab_size"])), files)
    return folder


def _write_weights(folder: Path, tensors: Sequence[Described], files: int) -> None:
    random = numpy.random.default_rng(0)
    if files == 1:
        _write_file(folder / "model.safetensors", tensors, random)
        return
    index: dict[str, str] = {}
    each = -(-len(tensors) // files)
    for number in range(files):
        name = f"model-{number + 1:05d}-of-{files:05d}.safetensors"
        held = tensors[number * each : (number + 1) * each]
        _write_file(folder / name, held, random)
        index |= {tensor: name for tensor, _ in held}
    content = {"metadata": {}, "weight_map": index}  # transformers refuses an index without either
    (folder / "model.safetensors.index.json").write_text(json.dumps(content))


def _write_file(path: Path, tensors: Sequence[Described], random: numpy.random.Generator) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, size in tensors:
        begin, end = end, end + _SIZE_BYTES * int(numpy.prod(size))
        header[name] = {"dtype": "BF16", "shape": list(size), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, size in tensors:
            file.write(_values(size, random).tobytes())


def _values(size: tuple[int, ...], random: numpy.random.Generator) -> NDArray[numpy.uint16]:
    values = numpy.ones(size, dtype=numpy.float32)
    if len(size) > 1:
        values = random.standard_normal(size, dtype=numpy.float32) / size[1] ** 0.5
    return (values.view(numpy.uint32) >> _BFLOAT16_SHIFT).astype(numpy.uint16)


def _tensors(shape: Shape, vocabulary: int) -> Iterator[Described]:
    hidden, inner = shape.hidden, shape.feed_forward
    cached = shape.key_heads * HEAD
    yield "model.embed_tokens.weight", (vocabulary, hidden)
    yield "model.norm.weight", (hidden,)
    for layer in range(shape.layers):
        name = f"model.layers.{layer}"
        yield f"{name}.input_layernorm.weight", (hidden,)
        yield f"{name}.post_attention_layernorm.weight", (hidden,)
        yield f"{name}.self_attn.q_proj.weight", (hidden, hidden)
        yield f"{name}.self_attn.k_proj.weight", (cached, hidden)
        yield f"{name}.self_attn.v_proj.weight", (cached, hidden)
        yield f"{name}.self_attn.o_proj.weight", (hidden, hidden)
        yield f"{name}.mlp.gate_proj.weight", (inner, hidden)
        yield f"{name}.mlp.up_proj.weight", (inner, hidden)
        yield f"{name}.mlp.down_proj.weight", (hidden, inner)
