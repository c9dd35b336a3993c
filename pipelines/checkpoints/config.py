"""What a checkpoint says of itself: its configuration, read strictly and refused in one sentence."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.checkpoints.numerics import stored_quantization
from quantgate.pipelines.domain.checkpoint import StoredQuantization
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.validation_wording import given as shown
from quantgate.pipelines.formats.configuration.language_config import (
    NO_LIMIT_TOKENS,
    count_of,
    language_config,
    language_part,
    with_common_names,
)
from quantgate.pipelines.formats.tokenizers.folder import read_json_object, special_token_ids

COPY_AGAIN = "copy or download the whole checkpoint again, all files of one revision"
_LARGEST_COUNT = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """The part of config.json that weights and tokenizer have to agree with; sizes are counts.

    A size is None where the configuration leaves it to code. `layers_beside` are layers that may be stored
    after those (they guess further tokens). `composite` says that it also describes what sees or hears.
    `quantization` is None in full precision.
    """

    architecture: str
    hidden_size: int | None
    vocabulary_size: int | None
    layer_count: int | None
    context_length_tokens: int
    quantization: StoredQuantization | None
    layers_beside: int = 0
    composite: bool = False
    notes: tuple[str, ...] = ()


def read_model_shape(folder: Path) -> ModelShape:
    """Read and judge config.json (and that tokenizer_config.json asks for no code).

    Raises:
        CheckpointError: where it is missing or damaged, describes a quantization that no runtime here loads
            or a model that answers by another one's reading, or the tokenizer asks for code of its own.
    """
    file = folder / "config.json"
    config = read_json_object(file)
    if not config:
        raise CheckpointError(
            "config.json is missing or empty", where=str(folder), next_step=COPY_AGAIN
        )
    _refuse_own_tokenizer(folder)
    architecture = _architecture(config, file)
    if config.get("is_encoder_decoder"):
        raise CheckpointError(
            f"{architecture} reads with an encoder and answers with a decoder; only models that go on "
            "from what they read are judged here",
            where=str(file),
            next_step="name a decoder-only checkpoint",
        )
    part = language_part(config)
    language = with_common_names(part)
    return ModelShape(
        architecture=architecture,
        hidden_size=_count(language, "hidden_size", file),
        vocabulary_size=_count(language, "vocab_size", file),
        layer_count=_count(language, "num_hidden_layers", file),
        context_length_tokens=_count(language, "max_position_embeddings", file) or NO_LIMIT_TOKENS,
        quantization=stored_quantization(folder),
        layers_beside=count_of(language, "num_nextn_predict_layers", "mtp_num_hidden_layers"),
        composite=part is not config,
        notes=tuple(_notes(config)),
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
        raise CheckpointError(
            "tokenizer.json holds no vocabulary",
            where=str(folder),
            next_step="take tokenizer.json from where the weights came from",
        )
    listed = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
    special = special_token_ids(folder)
    given = max(identifier for identifier in listed if isinstance(identifier, int))
    largest = max(given, *special.beginning, *special.end)
    if shape.vocabulary_size is not None and largest >= shape.vocabulary_size:
        source = (
            "the tokenizer gives ids up to"
            if largest == given
            else "texts begin or end (generation_config.json, config.json) with id"
        )
        raise disagreement(
            folder, f"{source} {largest}, the model has {shape.vocabulary_size} of them"
        )


def head_size(folder: Path) -> int | None:
    """Return how many values an attention head has, None where config.json does not say."""
    config = language_config(folder)
    hidden, heads, said = (
        config.get(key) for key in ("hidden_size", "num_attention_heads", "head_dim")
    )
    if isinstance(said, int):
        return said
    if not isinstance(hidden, int) or not isinstance(heads, int) or heads <= 0:
        return None
    return hidden // heads


def disagreement(folder: Path, what: str) -> CheckpointError:
    """Return the refusal of a checkpoint whose parts are not of one model."""
    return CheckpointError(
        f"weights, tokenizer and config.json do not belong together: {what}",
        where=str(folder),
        next_step=COPY_AGAIN,
    )


def _refuse_own_tokenizer(folder: Path) -> None:
    file = folder / "tokenizer_config.json"
    if read_json_object(file).get("auto_map"):
        raise CheckpointError(
            "asks for code of its own to be run over every text (auto_map); that is never done here",
            where=str(file),
            next_step="use a revision whose tokenizer is tokenizer.json alone",
        )


def _notes(config: JsonObject) -> Iterator[str]:
    if config.get("auto_map"):
        yield (
            "config.json names code of its own (auto_map): it is never run, and the tools' own class of that "
            "name is taken"
        )


def _architecture(config: JsonObject, file: Path) -> str:
    named = config.get("architectures")
    architecture = named[0] if isinstance(named, list) and len(named) == 1 else None
    if not isinstance(architecture, str):
        raise CheckpointError("names no single architecture", where=str(file), next_step=COPY_AGAIN)
    return architecture


def _count(config: JsonObject, key: str, file: Path) -> int | None:
    """Return a size, None where the configuration leaves it out."""
    value = config.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST_COUNT:
        raise CheckpointError(
            f"{key} is {shown(value)}, not a number between 1 and {_LARGEST_COUNT:,}",
            where=str(file),
            next_step=COPY_AGAIN,
        )
    return value
