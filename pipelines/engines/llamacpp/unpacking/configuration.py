"""What the keys and tensors of a GGUF file say of its model, as settings of a config.json.

Sources: docs/gguf.md of ggml; `TextModel.set_gguf_parameters` and its kin in conversion/*.py beside
llama.cpp's converter; names of settings are those of transformers 5.17.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.llamacpp.unpacking.architectures import (
    ARCHITECTURES,
    SHARED_KEYS,
    GgufArchitecture,
)
from quantgate.pipelines.engines.llamacpp.unpacking.rotation import (
    ROTATION_KEYS,
    head_size,
    rotation,
)
from quantgate.pipelines.formats.arrays import read_array
from quantgate.pipelines.formats.gguf.header import GgufHeader
from quantgate.pipelines.formats.safetensors import StoredTensor

EMBEDDING, HEAD = "token_embd.weight", "output.weight"
ROTATION_TENSORS = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")
"""Tensors that are settings of config.json."""
_SAID_OTHERWISE = ("vocab_size", "attention.value_length", *ROTATION_KEYS)
_STORED_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_MOST_DIGITS = 9  # tell any two numbers of single precision apart
_BIASES = ("attention_bias", "use_qkv_bias")


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufConfiguration:
    """Settings for config.json, `model_type` among them, and keys of the file that nothing was made of."""

    settings: JsonObject
    unread: tuple[str, ...]


def architecture_of(header: GgufHeader, where: str) -> GgufArchitecture:
    """Return the row of a file's architecture.

    Raises:
        CheckpointError: where the file names none, or the table has no such row.
    """
    name = header.metadata.get("general.architecture")
    if name in ARCHITECTURES:
        return ARCHITECTURES[str(name)]
    raise CheckpointError(
        f"is of the architecture '{str(name)[:100]}', which is not made into a checkpoint here"
        if name
        else "names no architecture (general.architecture)",
        where=where,
        next_step="name the checkpoint that the GGUF was made from; known are "
        + ", ".join(sorted(ARCHITECTURES)),
    )


def read_configuration(header: GgufHeader, where: str) -> GgufConfiguration:
    """Read the settings of a file, or of all its parts.

    Raises:
        CheckpointError: where the architecture is unknown, or what it needs is not there.
    """
    row = architecture_of(header, where)
    keys = _architecture_keys(header)
    tensors = {tensor.name: tensor for tensor in header.tensors}
    if EMBEDDING not in tensors:
        raise CheckpointError(
            "holds a vocabulary and no weights",
            where=where,
            next_step="name the GGUF that holds the whole model",
        )
    names = {**SHARED_KEYS, **row.keys}
    settings: JsonObject = {
        names[key]: _scalar(value) for key, value in keys.items() if key in names
    }
    factors = {
        name: [float(value) for value in read_array(tensors[name]).ravel()]
        for name in ROTATION_TENSORS
        if name in tensors
    }
    settings |= rotation(keys, factors, settings, where)
    settings |= _attention_scale(row, settings) | dict(row.fixed)
    settings |= {
        "model_type": row.model_type,
        "vocab_size": tensors[EMBEDDING].shape[0],
        "tie_word_embeddings": HEAD not in tensors,
        "dtype": _dtype(tensors),
    }
    if settings.get("sliding_window") == 0:  # how a converter writes that there is none
        settings["sliding_window"] = None
    if "blk.0.attn_q.bias" in tensors:
        settings |= dict.fromkeys(_BIASES, True)
    unread = tuple(sorted(keys.keys() - names.keys() - set(_SAID_OTHERWISE)))
    return GgufConfiguration(settings=settings, unread=unread)


def _attention_scale(row: GgufArchitecture, settings: JsonObject) -> JsonObject:
    """Return what scales attention where no key says it, as src/models/gemma2.cpp and gemma3.cpp have it."""
    if row.layers_of_27b is None:
        return {}
    wide = settings.get("num_hidden_layers") == row.layers_of_27b
    return {"query_pre_attn_scalar": head_size(settings) if wide else settings.get("head_dim")}


def _architecture_keys(header: GgufHeader) -> dict[str, JsonValue]:
    """Return what stands under the architecture's own name, by the rest of the key."""
    prefix = f"{header.metadata['general.architecture']}."
    return {
        key.removeprefix(prefix): value
        for key, value in header.metadata.items()
        if key.startswith(prefix)
    }


def _scalar(value: JsonValue) -> JsonValue:
    """Return a value that a list repeats for every layer, other lists as they are; floats in short."""
    if isinstance(value, list) and value and all(each == value[0] for each in value):
        return _scalar(value[0])
    return _shortest(value) if isinstance(value, float) else value


def _shortest(value: float) -> float:
    """Return the shortest decimal number that is the same in single precision, as GGUF files have it."""
    single = struct.pack("<f", value)
    rounded = (float(f"{value:.{digits}g}") for digits in range(1, _MOST_DIGITS + 1))
    return next((short for short in rounded if struct.pack("<f", short) == single), value)


def _dtype(tensors: Mapping[str, StoredTensor]) -> str:
    """Return the type that most weights have; what is low-bit is expanded to bfloat16."""
    sizes: dict[str, int] = {}
    for tensor in tensors.values():
        sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.parameter_count
    return _STORED_DTYPES.get(max(sizes, key=sizes.__getitem__), "bfloat16")
