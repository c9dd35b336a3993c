"""What a recipe of llm-compressor makes of every tensor, told from the scheme and the shapes."""

from dataclasses import replace

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions, Format, Recipe
from quantgate.pipelines.domain.variant import QuantizedTensor
from quantgate.pipelines.engines.expected_folders import (
    StoredBits,
    expected_folder,
    one_scale,
    packed_integers,
    small_floats,
    square_blocks,
    whole_bytes,
    words_of_eight,
)
from quantgate.pipelines.engines.llmcompressor.schemes import PRESET_GROUPS, group_size
from quantgate.pipelines.engines.llmcompressor.shapes import addressed, cache_scales
from quantgate.pipelines.formats.experts import experts_apart

_WHOLE = "BF16"
"""What our worker loads a checkpoint as, and so writes what it leaves alone."""
_CACHE = "F8_E4M3 cache"
_CACHE_BITS = 8.0
_PACKED = {"W4A16": 4, "W4A16_ASYM": 4, "W8A16": 8, "W3A16": 3, "W2A16": 2}
"""Integers that nothing but their own bits is stored of; beside quantized activations they take bytes."""
_SQUARE = 128


def expected_compressed(
    checkpoint: Checkpoint, recipe: Recipe, options: CompressedTensorsOptions
) -> tuple[QuantizedTensor, ...]:
    """Return every tensor with its type and cost, and the scales of a quantized cache."""
    kind, bits = _stored(recipe.format, options)
    weights = expected_folder(
        replace(checkpoint, tensors=experts_apart(checkpoint.tensors)),
        addressed(checkpoint.language_tensors, options),
        stored_type=kind,
        bits=bits,
        left_in=_WHOLE,
    )
    caches = (
        QuantizedTensor(
            name=name, type=_CACHE, parameter_count=0, bits_per_weight=_CACHE_BITS, quantized=True
        )
        for name in cache_scales(checkpoint.language_tensors, options)
    )
    return (*weights, *caches)


def layer_bits(layout: Format, options: CompressedTensorsOptions, *, size: int) -> int:
    """Return the bits that a square layer takes."""
    return _stored(layout, options)[1](size, size)


def _stored(layout: Format, options: CompressedTensorsOptions) -> tuple[str, StoredBits]:
    """Return what our readers call a quantized weight of this scheme, and what it takes."""
    scheme, group = (options.scheme or "").upper(), group_size(options)
    if layout is not Format.COMPRESSED_TENSORS:
        return "int4", words_of_eight(layout, group or PRESET_GROUPS["W4A16"] or 1)
    if scheme in _PACKED:
        zeros = scheme == "W4A16_ASYM"
        return f"int{_PACKED[scheme]}", packed_integers(
            _PACKED[scheme], group or 1, zero_points=zeros
        )
    if scheme == "FP8":
        return "F8_E4M3", one_scale
    if scheme == "FP8_BLOCK":
        return "F8_E4M3", square_blocks(_SQUARE)
    if scheme == "FP8_DYNAMIC":
        return "F8_E4M3", whole_bytes(None)
    for family, width in (("NVFP4", 4), ("MXFP4", 4), ("MXFP8", 8)):
        if scheme.startswith(family):
            named = family == "NVFP4"
            return family.lower(), small_floats(width, group or 1, global_scale=named)
    return "I8", whole_bytes(group)
