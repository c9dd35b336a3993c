"""Which layers a recipe addresses and whether it fits them, told from names and shapes alone."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from quantgate.pipelines.domain.checkpoint import Checkpoint, TensorFacts
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions, Recipe
from quantgate.pipelines.engines.llmcompressor.names import matches_layer
from quantgate.pipelines.engines.llmcompressor.schemes import (
    BLOCK_SCHEMES,
    ROW_SCHEMES,
    group_size,
)
from quantgate.pipelines.engines.llmcompressor.smoothing.misfits import smoothing_misfits
from quantgate.pipelines.formats.experts import experts_apart
from quantgate.pipelines.formats.packed.cache_scales import CACHE_SCALES
from quantgate.pipelines.formats.whole_layers import left_whole

_WEIGHT = ".weight"
_BLOCK = 128
_FUSED_DIMENSIONS = 3
_NARROWEST_MATRIX = 32
"""Convolutions have three dimensions as well, and see fewer tokens than this at a time."""
_JOINED = {"HrmTextForCausalLM": "queries, keys, values and gate"}
"""What transformers 5.17 makes one matrix of as it saves (`conversion_mapping.py`), by architecture."""
_LAYER_NUMBER = re.compile(r"\.\d+\.")
# The children by which compressed-tensors tells an attention layer (quantization/lifecycle/initialize.py).
_KEY_PROJECTIONS = ("k_proj", "v_proj", "qkv_proj", "kv_b_proj")
# ... and the names under which llm-compressor observes one (quantization/utils/helpers.py).
_ATTENTION = re.compile(r".*(self_attn|attention)$")


def addressed(
    tensors: Iterable[TensorFacts], options: CompressedTensorsOptions
) -> tuple[TensorFacts, ...]:
    """Return the 2-D weights that the recipe's targets match and its ignore list does not.

    Experts that the checkpoint has fused are taken apart, and what always stays whole is left alone. None
    where the recipe quantizes the KV cache alone.
    """
    if options.scheme is None:
        return ()
    apart = experts_apart(tensors)
    whole = left_whole({tensor.name: tensor.shape for tensor in apart})
    return tuple(
        tensor
        for tensor in apart
        if tensor.name.endswith(_WEIGHT)
        and len(tensor.shape) == 2
        and tensor.name not in whole
        and any(matches_layer(_layer(tensor), target) for target in options.targets)
        and not any(matches_layer(_layer(tensor), ignored) for ignored in options.ignore)
    )


def leaving_whole(recipe: Recipe, modules: Iterable[str]) -> Recipe:
    """Return a recipe that also ignores some modules by name, wherever they stand once they are loaded."""
    names = dict.fromkeys(module.rsplit(".", 1)[-1] for module in modules)
    ignored = tuple(rf"re:(.*\.)?{re.escape(name)}(\..*)?$" for name in names)
    if not ignored or not isinstance(recipe.options, CompressedTensorsOptions):
        return recipe
    options = replace(recipe.options, ignore=(*recipe.options.ignore, *ignored))
    return replace(recipe, options=options)


def _layer(tensor: TensorFacts) -> str:
    return tensor.name.removesuffix(_WEIGHT)


def cache_scales(
    tensors: Iterable[TensorFacts], options: CompressedTensorsOptions
) -> tuple[str, ...]:
    """Return the scales that a recipe with a quantized KV cache promises: two in every attention layer."""
    if options.kv_cache is None:
        return ()
    owners: dict[str, None] = {}
    for tensor in tensors:
        attention, _, projection = tensor.name.removesuffix(_WEIGHT).rpartition(".")
        if projection in _KEY_PROJECTIONS and _ATTENTION.match(attention):
            owners[attention] = None
    return tuple(f"{attention}.{scale}" for attention in owners for scale in CACHE_SCALES)


def misfits(checkpoint: Checkpoint, options: CompressedTensorsOptions) -> tuple[str, ...]:
    """Return why a sound recipe does not fit the checkpoint, one sentence each; empty when it fits."""
    weights = addressed(checkpoint.language_tensors, options)
    if options.scheme is not None and not weights:
        targets, ignored = ", ".join(options.targets), ", ".join(options.ignore) or "nothing"
        return (f"targets {targets} (ignoring {ignored}) match no layer of {checkpoint.name}",)
    return (
        *_kept_together(checkpoint),
        *_joined(checkpoint, options),
        *_indivisible(weights, options),
        *smoothing_misfits(checkpoint, options),
        *_uncached(checkpoint, options),
    )


def _kept_together(checkpoint: Checkpoint) -> Iterator[str]:
    """One sentence where experts stand in a tensor that llm-compressor would leave whole, without a word."""
    together = [
        tensor
        for tensor in experts_apart(checkpoint.language_tensors)
        if len(tensor.shape) == _FUSED_DIMENSIONS and min(tensor.shape[1:]) >= _NARROWEST_MATRIX
    ]
    if together:
        shape = " x ".join(map(str, together[0].shape))
        yield (
            f"{checkpoint.architecture} keeps experts together in {together[0].name} ({shape}), which "
            "llm-compressor does not take apart and would leave in full precision; GGUF recipes may fit"
        )


def _joined(checkpoint: Checkpoint, options: CompressedTensorsOptions) -> Iterator[str]:
    """One sentence where several layers are saved as one matrix, and the scheme has a number for each."""
    scheme = (options.scheme or "").upper()
    if checkpoint.architecture in _JOINED and scheme and scheme not in ROW_SCHEMES:
        yield (
            f"{checkpoint.architecture} is saved with {_JOINED[checkpoint.architecture]} as one matrix, and "
            f"{scheme} stores a shape or a scale for each of them; {' and '.join(ROW_SCHEMES)} fit"
        )


def _indivisible(
    weights: Iterable[TensorFacts], options: CompressedTensorsOptions
) -> Iterator[str]:
    """One sentence for each kind of layer whose dimensions groups or blocks do not divide.

    Blocks have to divide outputs as well: engines that fuse layers refuse a block across two of them.
    """
    scheme = (options.scheme or "").upper()
    if scheme in BLOCK_SCHEMES:
        yield from _ragged(weights, 0, _BLOCK, f"outputs, which blocks of 128 x 128 ({scheme})")
        yield from _ragged(weights, 1, _BLOCK, f"inputs, which blocks of 128 x 128 ({scheme})")
    elif group := group_size(options):
        yield from _ragged(weights, 1, group, f"inputs, which groups of {group} ({scheme})")


def _ragged(
    weights: Iterable[TensorFacts], dimension: int, divisor: int, what: str
) -> Iterator[str]:
    kinds: dict[tuple[str, tuple[int, ...]], list[str]] = defaultdict(list)
    for tensor in weights:
        if tensor.shape[dimension] % divisor:
            kinds[_LAYER_NUMBER.sub(".*.", tensor.name), tensor.shape].append(tensor.name)
    for (_, shape), names in kinds.items():
        subject = f"{names[0]} has"
        if len(names) > 1:
            subject = f"{names[0]} and {len(names) - 1} more like it have"
        yield f"{subject} {shape[dimension]} {what} do not divide (shape {shape[0]} x {shape[1]})"


def _uncached(checkpoint: Checkpoint, options: CompressedTensorsOptions) -> Iterator[str]:
    if options.kv_cache is not None and not cache_scales(checkpoint.language_tensors, options):
        yield (
            f"{checkpoint.name} has no attention layer with {', '.join(_KEY_PROJECTIONS)}, "
            "so that no scale for its keys and values would be stored"
        )
