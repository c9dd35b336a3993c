"""A tiny random Llama checkpoint, written with numpy alone, for tests to use and to damage."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.fakes import write_tokenizer

HIDDEN, FEED_FORWARD, VOCABULARY, LAYERS, CONTEXT = 128, 256, 257, 2, 128
CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": HIDDEN,
    "intermediate_size": FEED_FORWARD,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "vocab_size": VOCABULARY,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
    "bos_token_id": None,
    "eos_token_id": 0,
    "dtype": "float16",
    "transformers_version": "5.17.0",
}
Words = np.ndarray[Any, Any]
_TYPES = {"float16": "F16", "float32": "F32", "uint16": "BF16", "uint8": "F8_E4M3", "int32": "I32"}


def write_checkpoint(folder: Path) -> Path:
    """Write the checkpoint: fp16 weights in one file, byte-level tokenizer, chat template."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [0]}))
    write_safetensors(folder / "model.safetensors", weights())
    return folder


def weights() -> dict[str, Words]:
    """Return random fp16 weights by name; the same ones each time."""
    random = np.random.default_rng(0)
    made: dict[str, Words] = {}
    for name, shape in _shapes().items():
        values = np.ones(shape) if len(shape) == 1 else random.standard_normal(shape) * 0.3
        made[name] = values.astype(np.float16)
    return made


def write_safetensors(path: Path, tensors: Mapping[str, Words]) -> None:
    """Write a safetensors file; uint16 words are stored as BF16 and uint8 as F8_E4M3."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, values in tensors.items():
        end = position + values.nbytes
        header[name] = {
            "dtype": _TYPES[values.dtype.name],
            "shape": list(values.shape),
            "data_offsets": [position, end],
        }
        position = end
    write_raw(path, header, b"".join(values.tobytes() for values in tensors.values()))


def write_raw(path: Path, header: object, data: bytes) -> None:
    """Write a file of the safetensors format with whatever header and data the test wants."""
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_shards(folder: Path) -> None:
    """Turn the single weights file into two shards and an index."""
    (folder / "model.safetensors").unlink()
    everything = weights()
    names = sorted(everything)
    halves = {
        "model-00001-of-00002.safetensors": names[::2],
        "model-00002-of-00002.safetensors": names[1::2],
    }
    for shard, held in halves.items():
        write_safetensors(folder / shard, {name: everything[name] for name in held})
    index = {"weight_map": {name: shard for shard, held in halves.items() for name in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def edit_json(path: Path, **changes: object) -> None:
    """Set keys of a JSON object; None removes a key."""
    content = json.loads(path.read_text()) | changes
    removed = {key for key, value in changes.items() if value is None}
    kept = {key: value for key, value in content.items() if key not in removed}
    path.write_text(json.dumps(kept))


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN)}
    for layer in range(LAYERS):
        name = f"model.layers.{layer}"
        shapes |= {
            f"{name}.input_layernorm.weight": (HIDDEN,),
            f"{name}.post_attention_layernorm.weight": (HIDDEN,),
            f"{name}.self_attn.q_proj.weight": (HIDDEN, HIDDEN),
            f"{name}.self_attn.k_proj.weight": (HIDDEN // 2, HIDDEN),
            f"{name}.self_attn.v_proj.weight": (HIDDEN // 2, HIDDEN),
            f"{name}.self_attn.o_proj.weight": (HIDDEN, HIDDEN),
            f"{name}.mlp.gate_proj.weight": (FEED_FORWARD, HIDDEN),
            f"{name}.mlp.up_proj.weight": (FEED_FORWARD, HIDDEN),
            f"{name}.mlp.down_proj.weight": (HIDDEN, FEED_FORWARD),
        }
    return shapes | {"model.norm.weight": (HIDDEN,)}
