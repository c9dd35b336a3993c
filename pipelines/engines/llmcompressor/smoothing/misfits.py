"""Whether what llm-compressor would smooth is there, block by block, and would change nothing.

It tells by names alone, and some of its mappings name the wrong layers. What no name shows is found while
building: the model is asked before and after (`workers/smoothing.py`).
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions
from quantgate.pipelines.engines.llmcompressor.names import matches_layer
from quantgate.pipelines.engines.llmcompressor.smoothing.tables import (
    Smoothing,
    SmoothingMapping,
    smoothing_table,
)
from quantgate.pipelines.formats.experts import APART, experts_apart, routers

_BLOCK = re.compile(r".*?\.\d+(?=\.)")
_WEIGHT = ".weight"
_FORWARD = re.compile(r"(gate_proj|up_proj|gate_up_proj|w1|w3)$")
"""Names of what a feed-forward layer does first."""
_FORWARD_NORMS = ("pre_feedforward_layernorm", "pre_mlp_layernorm")
"""Norms of feed-forward layers; where a block has one, that after attention feeds the sum alone."""
_ROUTERS_FORGOTTEN = {
    "Qwen3NextForCausalLM",
    "Qwen3_5MoeForCausalLM",
    "Qwen3_5MoeForConditionalGeneration",
}
"""What AWQ's mappings made of the model leave out; a small random Qwen3-Next moved by 14 %."""
_AFTER_ATTENTION = re.compile(r"post_attention_layernorm$")


def smoothing_misfits(checkpoint: Checkpoint, options: CompressedTensorsOptions) -> Iterator[str]:
    """Yield why a recipe's smoothing does not fit a checkpoint, a sentence for each algorithm at most.

    Raises:
        ToolchainError: where llm-compressor's tables cannot be read.
    """
    for algorithm in smoothings(options):
        reason = _reason(algorithm, checkpoint)
        if reason is not None:
            yield f"{algorithm} cannot smooth {checkpoint.architecture}: {reason}"


def smoothing_remarks(checkpoint: Checkpoint, options: CompressedTensorsOptions) -> Iterator[str]:
    """Yield a sentence where llm-compressor has no mappings for an architecture and takes Llama's."""
    for algorithm in smoothings(options):
        table = smoothing_table(algorithm)
        if checkpoint.architecture not in {*table.named, *table.made_of_the_model}:
            yield (
                f"llm-compressor has no {algorithm} mappings for {checkpoint.architecture} and takes "
                "Llama's, whose layers it has; the build stops where the model then computes another thing"
            )


def smoothings(options: CompressedTensorsOptions) -> tuple[Smoothing, ...]:
    """Return the algorithms that a recipe smooths with."""
    used = {
        Smoothing.AWQ: options.modifier == "AWQModifier",
        Smoothing.SMOOTHQUANT: options.smoothing_strength is not None,
    }
    return tuple(algorithm for algorithm, is_used in used.items() if is_used)


def _reason(algorithm: Smoothing, checkpoint: Checkpoint) -> str | None:
    table = smoothing_table(algorithm)
    if checkpoint.architecture in table.made_of_the_model:
        if algorithm is Smoothing.AWQ and checkpoint.architecture in _ROUTERS_FORGOTTEN:
            return "llm-compressor would scale what its routers are fed and leave them as they are"
        return None
    shapes = {tensor.name: tensor.shape for tensor in experts_apart(checkpoint.language_tensors)}
    blocks: dict[str, list[str]] = defaultdict(list)
    for name in shapes:
        layer = name.removesuffix(_WEIGHT)
        if name.endswith(_WEIGHT) and (block := _BLOCK.match(layer)):
            blocks[block.group()].append(layer)
    choosing = {name.removesuffix(_WEIGHT) for name in routers(shapes)}
    named = checkpoint.architecture in table.named
    for mapping in table.named.get(checkpoint.architecture, table.usual):
        if not named and (lacking := _lacking(mapping, blocks)):
            return (
                f"llm-compressor has no mappings for it, and Llama's name {lacking}, which it lacks"
            )
        for layers in blocks.values():
            if reason := _wrong(mapping, layers, choosing):
                return reason
    return None


def _lacking(mapping: SmoothingMapping, blocks: Mapping[str, Sequence[str]]) -> str | None:
    """Return a pattern that no layer matches."""
    layers = [layer for names in blocks.values() for layer in names]
    for pattern in (mapping.smoothed, *mapping.balanced):
        if not any(matches_layer(layer, pattern) for layer in layers):
            return pattern.removeprefix("re:.*").removesuffix("$")
    return None


def _wrong(mapping: SmoothingMapping, layers: Sequence[str], choosing: set[str]) -> str | None:
    """Return what is wrong with a mapping in one block; None also where it does not apply there."""
    smoothed = [layer for layer in layers if matches_layer(layer, mapping.smoothed)]
    if not smoothed:
        return None
    balanced: set[str] = set()
    for pattern in mapping.balanced:
        matched = [layer for layer in layers if matches_layer(layer, pattern)]
        if not matched:
            plain = pattern.removeprefix("re:.*").removesuffix("$")
            return (
                f"llm-compressor would scale {plain} behind {smoothed[0]}, and that block has none"
            )
        balanced.update(matched)
    feeds_forward = any(_FORWARD.search(layer) for layer in balanced)
    forward_norms = [layer for layer in layers if layer.endswith(_FORWARD_NORMS)]
    if feeds_forward and forward_norms and _AFTER_ATTENTION.search(smoothed[0]):
        return f"llm-compressor would divide {smoothed[0]}, and {forward_norms[0]} feeds what it multiplies"
    left = _left_behind(layers, balanced, choosing)
    if feeds_forward and left:
        return f"llm-compressor would scale what {left} is fed and leave that as it is"
    return None


def _left_behind(layers: Sequence[str], balanced: set[str], choosing: set[str]) -> str | None:
    """Return a router, or a shared expert's layer, that is fed what experts are and would not be scaled."""
    if not any(APART.search(layer) for layer in balanced):
        return None
    return next(
        (
            layer
            for layer in layers
            if layer not in balanced
            and (layer in choosing or (_FORWARD.search(layer) and "self_attn" not in layer))
        ),
        None,
    )
