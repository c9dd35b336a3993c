"""The catalogue's nearest recipe that fits a checkpoint where the one asked for does not."""

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions, Recipe
from quantgate.pipelines.engines.llmcompressor import layouts as packed_layouts
from quantgate.pipelines.engines.llmcompressor.architectures import uncalibrated
from quantgate.pipelines.engines.llmcompressor.expected import layer_bits
from quantgate.pipelines.engines.llmcompressor.shapes import misfits
from quantgate.pipelines.specs.recipes import catalogue

_LAYER_SIZE = 4096


def nearest(checkpoint: Checkpoint, recipe: Recipe) -> Recipe | None:
    """Return the recipe for llm-compressor that fits and is most like this one; None where none fits.

    Alike means, in this order: the same format and KV cache, weights of as many bits, activations as
    wanted, the same kind of number, the same algorithm, calibrated or not, and bits per weight.
    """
    fitting = [
        other
        for other in catalogue()
        if isinstance(other.options, CompressedTensorsOptions)
        and other.options.scheme is not None
        and other.name != recipe.name
        and not uncalibrated(checkpoint, other)
        and not misfits(checkpoint, other.options)
        and not packed_layouts.misfits(checkpoint, other)
    ]
    return min(fitting, key=lambda other: _distance(recipe, other), default=None)


def _distance(
    recipe: Recipe, other: Recipe
) -> tuple[bool, bool, float, bool, bool, bool, bool, float, str]:
    ours, theirs = recipe.numerics, other.numerics
    return (
        recipe.format != other.format,
        ours.kv_cache != theirs.kv_cache,
        abs(recipe.nominal_bits - other.nominal_bits),
        ours.activations != theirs.activations,
        ours.weights.endswith("f") != theirs.weights.endswith("f"),
        recipe.algorithm != other.algorithm,
        recipe.calibration != other.calibration,
        abs(_bits(recipe) - _bits(other)),
        other.name,
    )


def _bits(recipe: Recipe) -> float:
    """Return what a large square matrix costs in bits a weight, scales included."""
    if not isinstance(recipe.options, CompressedTensorsOptions):
        return recipe.nominal_bits
    return layer_bits(recipe.format, recipe.options, size=_LAYER_SIZE) / _LAYER_SIZE**2
