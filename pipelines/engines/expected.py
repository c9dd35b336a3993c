"""What a recipe makes of every tensor of a checkpoint: known at plan time, held to by the audit."""

from collections.abc import Iterable
from dataclasses import dataclass

from quantgate.pipelines.checkpoints.once import once_per_checkpoint
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.foreign import ForeignOptions
from quantgate.pipelines.domain.recipe import (
    AutoAwqOptions,
    AutoGptqOptions,
    CompressedTensorsOptions,
    Format,
    GgufOptions,
    Recipe,
)
from quantgate.pipelines.domain.variant import MIXED_TYPE, ExpectedSize, QuantizedTensor
from quantgate.pipelines.engines.archived.shapes import layer_weights
from quantgate.pipelines.engines.contents import Contents
from quantgate.pipelines.engines.expected_folders import expected_folder, words_of_eight
from quantgate.pipelines.engines.llamacpp.types.expected import (
    expected_gguf,
    expected_of_converted,
    mix_bits_range,
    scratch_bits,
)
from quantgate.pipelines.engines.llmcompressor.expected import expected_compressed
from quantgate.pipelines.formats.gguf.repacked import is_repacked
from quantgate.pipelines.formats.packed.facts import PACKED_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class MixSizes:
    """What mixes of the same candidates may take: bits a weight of `weights`, and what is not mixed."""

    least_bits: float
    most_bits: float
    weights: int
    beside_bytes: int

    def bits_of(self, size_bytes: float) -> float | None:
        """Return the budget in bits a weight of a mix of this size; None where no mix is of this size."""
        if not self.weights:
            return None
        bits = 8.0 * (size_bytes - self.beside_bytes) / self.weights
        return bits if self.least_bits < bits <= self.most_bits else None


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


@once_per_checkpoint
def copied_bytes(checkpoint: Checkpoint, recipe: Recipe | None) -> int:
    """Return what of a GGUF llama.cpp copies into a layout of its own: the file's pages are not read again.

    Embeddings are counted with the matrices. Of what others made only its main type is known here, which is
    taken for all of it. Other formats and the base, in 16 bits, are computed with as they are.
    """
    if recipe is None or recipe.format is not Format.GGUF:
        return 0
    options = recipe.options
    if isinstance(options, ForeignOptions):
        return options.weights_bytes if is_repacked(options.main_type) else 0
    tensors = expected_tensors(checkpoint, recipe)
    return ExpectedSize.of([each for each in tensors if is_repacked(each.type)]).size_bytes


def mix_sizes(checkpoint: Checkpoint, recipe: Recipe) -> MixSizes:
    """Return what mixes of a measured mix's candidates may take, whatever its own budget.

    Raises:
        ValueError: where the recipe is no measured mix.
    """
    options = recipe.options
    if not isinstance(options, GgufOptions) or options.mix is None:
        raise ValueError(f"{recipe.name} is no measured mix")
    least, most = mix_bits_range(checkpoint, options.mix)
    tensors = expected_tensors(checkpoint, recipe)
    mixed = [tensor for tensor in tensors if tensor.type == MIXED_TYPE]
    others = [tensor for tensor in tensors if tensor.type != MIXED_TYPE]
    return MixSizes(
        least_bits=least,
        most_bits=most,
        weights=sum(tensor.parameter_count for tensor in mixed),
        beside_bytes=ExpectedSize.of(others).size_bytes,
    )


def scratch_bytes(checkpoint: Checkpoint, recipes: Iterable[Recipe]) -> int:
    """Return the disk space that these recipes share while they are built, beside their variants."""
    options = (recipe.options for recipe in recipes)
    return (
        scratch_bits(checkpoint, [each for each in options if isinstance(each, GgufOptions)]) // 8
    )
