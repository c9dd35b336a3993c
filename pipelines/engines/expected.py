"""What a recipe makes of every tensor of a checkpoint: known at plan time, held to by the audit."""

from collections.abc import Iterable

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import (
    AutoAwqOptions,
    AutoGptqOptions,
    CompressedTensorsOptions,
    GgufOptions,
    Recipe,
)
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.domain.variant import QuantizedTensor
from quantgate.pipelines.engines.archived.shapes import layer_weights
from quantgate.pipelines.engines.expected_folders import expected_folder, words_of_eight
from quantgate.pipelines.engines.llamacpp.expected import (
    expected_from_gguf,
    expected_gguf,
    scratch_bits,
)
from quantgate.pipelines.engines.llamacpp.type_rules import GgufModel, GgufWeight
from quantgate.pipelines.engines.llmcompressor.expected import expected_compressed
from quantgate.pipelines.formats.packed_facts import PACKED_TYPE
from quantgate.pipelines.formats.safetensors import StoredTensor

_LEFT_BY_ARCHIVED_PACKAGES = "F16"
_SEVENTY_BILLION_LAYERS = 80
_SEVENTY_BILLION = frozenset({"qwen2", "olmo", "deci"})


def expected_tensors(checkpoint: Checkpoint, recipe: Recipe) -> tuple[QuantizedTensor, ...]:
    """Return every tensor with its type and cost, from names and shapes alone, for a recipe that fits.

    What is decided while building (a measured mix) is counted at the most it may take.
    """
    match recipe.options:
        case GgufOptions() as options:
            return expected_gguf(checkpoint, recipe, options)
        case CompressedTensorsOptions() as options:
            return expected_compressed(checkpoint, recipe, options)
        case AutoAwqOptions(group_size=size) | AutoGptqOptions(group_size=size):
            return expected_folder(
                checkpoint,
                layer_weights(checkpoint),
                stored_type=PACKED_TYPE,
                bits=words_of_eight(recipe.format, size),
                left_in=_LEFT_BY_ARCHIVED_PACKAGES,
            )


def scratch_bytes(checkpoint: Checkpoint, recipes: Iterable[Recipe]) -> int:
    """Return the disk space that these recipes share while they are built, beside their variants."""
    options = (recipe.options for recipe in recipes)
    return (
        scratch_bits(checkpoint, [each for each in options if isinstance(each, GgufOptions)]) // 8
    )


def expected_of_converted(
    tensors: Iterable[StoredTensor], metadata: JsonObject, recipe: Recipe, options: GgufOptions
) -> tuple[QuantizedTensor, ...]:
    """Return every tensor of a variant, by the names and numbers of the converted base's own header."""
    weights = (GgufWeight(name=tensor.name, shape=tensor.shape) for tensor in tensors)
    return expected_from_gguf(weights, _model(metadata), recipe, options)


def _model(metadata: JsonObject) -> GgufModel:
    """Read what llama.cpp's `load_hparams` reads; of numbers by layer the first, as its rules do."""
    architecture = metadata.get("general.architecture")

    def number(key: str) -> int:
        value = metadata.get(f"{architecture}.{key}")
        first = value[0] if isinstance(value, list) and value else value
        return first if isinstance(first, int) else 0

    heads, layers = number("attention.head_count"), number("block_count")
    kv_heads = number("attention.head_count_kv") or heads
    return GgufModel(
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        experts=number("expert_count"),
        is_70b=layers == _SEVENTY_BILLION_LAYERS
        and (architecture in _SEVENTY_BILLION or (architecture == "llama" and heads != kv_heads)),
    )
