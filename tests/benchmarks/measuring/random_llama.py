"""Llama checkpoints with random weights and the example's tokenizer, the same ones each time."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from quantgate.flows.settings import Settings
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.files.store import Store
from tests.support.checkpoints import write_safetensors
from tests.support.project import EXAMPLE

HEAD = 64
_BFLOAT16_SHIFT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of a Llama; `layers` alone decides how large the file is for given widths."""

    hidden: int
    feed_forward: int
    layers: int


LARGE = Shape(hidden=1536, feed_forward=4096, layers=11)
"""277 million weights, 0.56 GB in bfloat16."""
MIDDLE = Shape(hidden=768, feed_forward=2048, layers=15)
"""96 million weights, 0.19 GB in F16."""
SMALL = Shape(hidden=768, feed_forward=2048, layers=6)
"""41 million weights."""


def random_llama(shape: Shape, store: Store) -> Checkpoint:
    """Write a checkpoint into the store's folder and return it as a build would accept it."""
    folder = store.root / f"random-llama-{shape.layers}x{shape.hidden}"
    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(EXAMPLE / "checkpoint" / name, folder / name)
    config = json.loads((EXAMPLE / "checkpoint" / "config.json").read_text())
    heads = shape.hidden // HEAD
    config |= {
        "hidden_size": shape.hidden,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads // 3,
        "head_dim": HEAD,
        "dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config))
    weights = dict(_weights(shape, vocabulary=config["vocab_size"]))
    write_safetensors(folder / "model.safetensors", weights)
    settings = Settings.from_environment()
    return resolve_checkpoint(str(folder), name="random", store=store, hub=settings.hub)


def _weights(shape: Shape, vocabulary: int) -> Iterator[tuple[str, NDArray[numpy.uint16]]]:
    random = numpy.random.default_rng(0)
    for name, size in _sizes(shape, vocabulary):
        values = numpy.ones(size, dtype=numpy.float32)
        if len(size) == 2:
            values = random.standard_normal(size, dtype=numpy.float32) / size[1] ** 0.5
        yield name, (values.view(numpy.uint32) >> _BFLOAT16_SHIFT).astype(numpy.uint16)


def _sizes(shape: Shape, vocabulary: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    hidden, inner = shape.hidden, shape.feed_forward
    cached = hidden // 3
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
