"""What a checkpoint says of itself: its configuration, read strictly and refused in one sentence."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.checkpoints.architectures import SUPPORTED_ARCHITECTURES
from quantgate.pipelines.checkpoints.numerics import stored_quantization
from quantgate.pipelines.domain.checkpoint import StoredQuantization
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.validation_wording import given as shown
from quantgate.pipelines.formats.safetensors import StoredTensor
from quantgate.pipelines.formats.tokenizer_folder import read_json_object, special_token_ids

_FULL_PRECISION = ("F64", "F32", "F16", "BF16")
_LARGEST_COUNT = 2**31 - 1
_LAYER = re.compile(r"^model\.layers\.(\d+)\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """The part of config.json that weights and tokenizer have to agree with; sizes are counts.

    `quantization` is None in full precision.
    """

    architecture: str
    hidden_size: int
    vocabulary_size: int
    layer_count: int
    context_length_tokens: int
    quantization: StoredQuantization | None


def read_model_shape(folder: Path) -> ModelShape:
    """Read and judge config.json (and that tokenizer_config.json asks for no code).

    Raises:
        CheckpointError: where it is missing or damaged, asks for remote code, describes a quantization
            that no runtime here loads, or an architecture outside the reviewed table.
    """
    file = folder / "config.json"
    config = read_json_object(file)
    if not config:
        raise CheckpointError("config.json is missing or empty", where=str(folder), next_step=_COPY)
    for name, content in (
        ("config.json", config),
        ("tokenizer_config.json", read_json_object(folder / "tokenizer_config.json")),
    ):
        if content.get("auto_map"):
            raise CheckpointError(
                "asks for code of its own to be run (auto_map, trust_remote_code); that is never done here",
                where=str(folder / name),
                next_step="use a revision of the model that transformers supports by itself",
            )
    return ModelShape(
        architecture=_architecture(config, file),
        hidden_size=_count(config, "hidden_size", file),
        vocabulary_size=_count(config, "vocab_size", file),
        layer_count=_count(config, "num_hidden_layers", file),
        context_length_tokens=_count(config, "max_position_embeddings", file),
        quantization=stored_quantization(folder),
    )


def check_weights(shape: ModelShape, tensors: Sequence[StoredTensor], folder: Path) -> None:
    """Compare names, types and shapes of the stored tensors with the configuration.

    Raises:
        CheckpointError: naming the first tensor that does not agree.
    """
    by_name = {tensor.name: tensor for tensor in tensors}
    for tensor in tensors if shape.quantization is None else ():
        if len(tensor.shape) == 2 and tensor.dtype not in _FULL_PRECISION:
            raise CheckpointError(
                f"is already quantized and does not say how: {tensor.name} is stored as {tensor.dtype}",
                where=str(folder),
                next_step="name the full-precision checkpoint it was made from",
            )
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        expected = (shape.vocabulary_size, shape.hidden_size)
        if name not in by_name and name != "lm_head.weight":  # a tied head is not stored
            raise _disagrees(folder, f"{name} is missing")
        if name in by_name and by_name[name].shape != expected:
            raise _disagrees(
                folder,
                f"{name} is {_times(by_name[name].shape)}, config.json says {_times(expected)}",
            )
    layers = {int(match[1]) for name in by_name if (match := _LAYER.match(name))}
    if len(layers) != shape.layer_count or max(layers, default=-1) + 1 != shape.layer_count:
        raise _disagrees(
            folder,
            f"weights of {len(layers)} layers are there, config.json says {shape.layer_count}",
        )


def check_vocabulary(shape: ModelShape, folder: Path) -> None:
    """Compare the tokenizer's largest id with the embedding's rows.

    Tokens added to the vocabulary are left out: checkpoints exist (Gemma 3, text only) whose tokenizer
    adds an image token that the model has no row for and no text produces.

    Raises:
        CheckpointError: where the tokenizer can give an id that the model does not have.
    """
    model = read_json_object(folder / "tokenizer.json").get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocabulary, dict | list) or not vocabulary:
        raise CheckpointError("tokenizer.json holds no vocabulary", where=str(folder))
    listed = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
    special = special_token_ids(folder)
    ids = (*listed, *special.beginning, *special.end)
    largest = max(identifier for identifier in ids if isinstance(identifier, int))
    if largest >= shape.vocabulary_size:
        raise _disagrees(
            folder,
            f"the tokenizer gives ids up to {largest}, the model has {shape.vocabulary_size} of them",
        )


def head_size(folder: Path) -> int | None:
    """Return how many values an attention head has, None where config.json does not say."""
    config = read_json_object(folder / "config.json")
    hidden, heads, said = (
        config.get(key) for key in ("hidden_size", "num_attention_heads", "head_dim")
    )
    if isinstance(said, int):
        return said
    if not isinstance(hidden, int) or not isinstance(heads, int) or heads <= 0:
        return None
    return hidden // heads


def _architecture(config: JsonObject, file: Path) -> str:
    named = config.get("architectures")
    architecture = named[0] if isinstance(named, list) and len(named) == 1 else None
    if not isinstance(architecture, str):
        raise CheckpointError("names no single architecture", where=str(file), next_step=_COPY)
    if architecture not in SUPPORTED_ARCHITECTURES:
        raise CheckpointError(
            f"architecture {architecture[:_SHOWN_CHARACTERS]} is not one this program was tested with",
            where=str(file),
            next_step=f"supported are {', '.join(SUPPORTED_ARCHITECTURES)}",
        )
    return architecture


def _count(config: JsonObject, key: str, file: Path) -> int:
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST_COUNT:
        raise CheckpointError(
            f"{key} is {shown(value)}, not a number between 1 and {_LARGEST_COUNT:,}",
            where=str(file),
            next_step=_COPY,
        )
    return value


def _times(shape: Sequence[int]) -> str:
    return " x ".join(str(size) for size in shape)


def _disagrees(folder: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"weights, tokenizer and config.json do not belong together: {what}",
        where=str(folder),
        next_step=_COPY,
    )


_COPY = "copy or download the whole checkpoint again, all files of one revision"
_SHOWN_CHARACTERS = 200
