"""What a recipe makes of every tensor of a checkpoint: known at plan time, held to by the audit."""

from collections.abc import Iterable

from quantgate.pipelines.checkpoints.once import once_per_checkpoint
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.foreign import ForeignOptions
from quantgate.pipelines.domain.recipe import (
    AutoAwqOptions,
    AutoGptqOptions,
    CompressedTensorsOptions,
    GgufOptions,
    Recipe,
)
from quantgate.pipelines.domain.variant import ExpectedSize, QuantizedTensor
from quantgate.pipelines.engines.archived.shapes import layer_weights
from quantgate.pipelines.engines.contents import Contents
from quantgate.pipelines.engines.expected_folders import expected_folder, words_of_eight
from quantgate.pipelines.engines.llamacpp.types.expected import (
    expected_gguf,
    expected_of_converted,
    scratch_bits,
)
from quantgate.pipelines.engines.llmcompressor.expected import expected_compressed
from quantgate.pipelines.formats.packed.facts import PACKED_TYPE

_LEFT_BY_ARCHIVED_PACKAGES = "F16"
_ARCHITECTURE = "general.architecture"
"""Stands in every GGUF."""


def expected_tensors(
    checkpoint: Checkpoint, recipe: Recipe, base: Contents | None = None
) -> tuple[QuantizedTensor, ...]:
    """Return every tensor with its type and cost, from names and shapes alone, for a recipe that fits.

    What is decided while building (a measured mix) is counted at the most it may take. `base` is what the
    base says of itself where it was converted: its own names then count, and not those foretold. Nothing is
    foretold of what others made.
    """
    match recipe.options:
        case ForeignOptions():
            return ()
        case GgufOptions() as options if base is not None and _ARCHITECTURE in base.metadata:
            return expected_of_converted(base.tensors, base.metadata, recipe, options)
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


@once_per_checkpoint
def expected_size(checkpoint: Checkpoint, recipe: Recipe) -> ExpectedSize:
    """Return what a recipe's variant will take; of what others made, what it takes already."""
    options = recipe.options
    if isinstance(options, ForeignOptions):
        return ExpectedSize(
            bits_per_weight=options.bits_per_weight,
            file_bits_per_weight=options.file_bits_per_weight,
            size_bytes=options.weights_bytes,
        )
    return ExpectedSize.of(expected_tensors(checkpoint, recipe))


def scratch_bytes(checkpoint: Checkpoint, recipes: Iterable[Recipe]) -> int:
    """Return the disk space that these recipes share while they are built, beside their variants."""
    options = (recipe.options for recipe in recipes)
    return (
        scratch_bits(checkpoint, [each for each in options if isinstance(each, GgufOptions)]) // 8
    )
