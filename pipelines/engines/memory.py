"""What tools take of memory, foretold from a checkpoint's shapes.

`make bench BENCH=memory` measures the same steps; constants are what it found with the pinned versions, of a
random Llama of 277 million weights (docs/memory.md).
"""

import re
from collections import Counter
from dataclasses import dataclass
from math import prod

from quantgate.pipelines.checkpoints.once import once_per_checkpoint
from quantgate.pipelines.domain.architectures import LLAMA_CPP, TRANSFORMERS
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.foreign import ForeignOptions
from quantgate.pipelines.domain.recipe import (
    Calibration,
    CompressedTensorsOptions,
    Format,
    GgufOptions,
    KvCacheType,
    Recipe,
)
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.domain.verdicts.base_divergence import ComputeDtype
from quantgate.pipelines.engines.expected import copied_bytes, expected_size
from quantgate.pipelines.engines.prompt_lengths import HeldAtOnce
from quantgate.pipelines.formats.configuration.cache_layers import cache_layers
from quantgate.pipelines.formats.configuration.language_config import count_of, language_config

_MB = 1_000_000
_LIBRARIES = {"llamacpp": 50 * _MB, "converter": 285 * _MB, "transformers": 340 * _MB}
_COMPRESSING = 420 * _MB
_TAKING_OVER = 300 * _MB
_ARCHIVED = (3.0, 1_200 * _MB)
"""Not measured anew: a multiple of the weights in 16 bits, and the libraries of an older transformers."""
_TOKEN_BYTES = 1_200
"""What a token of the vocabulary takes where a tokenizer is loaded: its text, its merge, tables of both."""
_LOGITS_BYTES = 4 * (64 << 20)
"""Logits of the positions that are compared at once, their softmax, the other's, and what is between them."""
CACHE_BITS: dict[KvCacheType, float] = {"f16": 16.0, "q8_0": 8.5, "q4_0": 4.5}
"""Bits of a number in llama.cpp's cache of keys and values, scales of blocks included."""
_CALIBRATION_LENGTH_TOKENS = 2_048
_COMPUTING = 160 * _MB
"""Activations of a passage of 512 tokens."""
_STORED_AS: dict[ComputeDtype, tuple[int, str]] = {"float32": (4, "F32"), "bfloat16": (2, "BF16")}
"""Bytes of a weight, and what it is stored as where it needs no conversion."""
_LAYER = re.compile(r".*?\.\d+\.")
_MATRIX_DIMENSIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryNeed:
    """What a step takes at most, in one child process.

    `held_bytes` have to stay in memory until it ends. `weights_bytes` need not: weights that are computed
    with as they lie in mapped files, which the kernel drops where memory is short, or that may lie on the
    disk by layers instead. Each use reads them again then.
    """

    held_bytes: int
    weights_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """What it takes where nothing has to be read twice."""
        return self.held_bytes + self.weights_bytes


def highest(*needs: MemoryNeed) -> MemoryNeed:
    """Return what steps that come one after the other take."""
    held = max(need.held_bytes for need in needs)
    size = max(need.size_bytes for need in needs)
    return MemoryNeed(held_bytes=held, weights_bytes=size - held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Numbers of a checkpoint that memory hangs on.

    Weights are counted, not their bytes. `squared_inputs` is the sum of the squared widths of what a layer's
    matrices multiply, the largest of all layers; `widest` the widest of these. `cached_in_…` numbers are
    kept of every token by that tool, keys and values of all layers.
    """

    weights: int
    largest_tensor: int
    largest_layer: int
    squared_inputs: int
    widest: int
    hidden: int
    vocabulary: int
    cached_in_llamacpp: int
    cached_in_transformers: int

    @property
    def in_16_bits(self) -> int:
        """Bytes of all weights in 16 bits."""
        return 2 * self.weights


@once_per_checkpoint
def sizes_of(checkpoint: Checkpoint) -> Sizes:
    """Count a checkpoint's weights by its names and shapes."""
    layers: Counter[str] = Counter()
    squares: Counter[str] = Counter()
    widest = 0
    for tensor in checkpoint.tensors:
        match = _LAYER.match(tensor.name)
        layers[match.group() if match else tensor.name] += prod(tensor.shape)
        if match and len(tensor.shape) >= _MATRIX_DIMENSIONS:
            squares[match.group()] += tensor.shape[-1] ** 2
            widest = max(widest, tensor.shape[-1])
    config = language_config(checkpoint.folder)
    return Sizes(
        weights=checkpoint.parameter_count,
        largest_tensor=max((prod(t.shape) for t in checkpoint.tensors), default=0),
        largest_layer=max(layers.values(), default=0),
        squared_inputs=max(squares.values(), default=0),
        widest=widest,
        hidden=count_of(config, "hidden_size"),
        vocabulary=count_of(config, "vocab_size"),
        cached_in_llamacpp=_cached(config, LLAMA_CPP),
        cached_in_transformers=_cached(config, TRANSFORMERS),
    )


def _cached(config: JsonObject, tool: str) -> int:
    return sum(layer.values for layer in cache_layers(config, tool))


def build_memory(checkpoint: Checkpoint, recipe: Recipe) -> MemoryNeed:
    """Return what building a recipe takes, its weights in memory."""
    sizes = sizes_of(checkpoint)
    match recipe.options:
        case ForeignOptions():
            return MemoryNeed(held_bytes=_TAKING_OVER)
        case GgufOptions() as options:
            return _gguf_build(sizes, recipe, options)
        case CompressedTensorsOptions() as options:
            written = expected_size(checkpoint, recipe).size_bytes
            return _compressed_build(sizes, recipe, options, written)
    times, libraries = _ARCHIVED
    return MemoryNeed(held_bytes=int(times * sizes.in_16_bits) + libraries)


def offloaded_build_memory(checkpoint: Checkpoint, recipe: Recipe) -> MemoryNeed:
    """Return what llm-compressor takes while it reads every layer from the disk."""
    sizes = sizes_of(checkpoint)
    working = _working_bytes(sizes, recipe)
    return MemoryNeed(held_bytes=_compressor(sizes) + working + 2 * 2 * sizes.largest_layer)


def conversion_memory(checkpoint: Checkpoint) -> MemoryNeed:
    """Return what llama.cpp's converter takes, which writes a tensor at a time."""
    sizes = sizes_of(checkpoint)
    return MemoryNeed(
        held_bytes=_LIBRARIES["converter"] + 11 * sizes.largest_tensor + _tokenizer_bytes(sizes)
    )


def _gguf_build(sizes: Sizes, recipe: Recipe, options: GgufOptions) -> MemoryNeed:
    """Quantizing takes a tensor at a time; what is calibrated computes with the whole F16 file."""
    quantized = MemoryNeed(held_bytes=_LIBRARIES["llamacpp"] + 5 * sizes.largest_tensor)
    if recipe.calibration is Calibration.NONE:
        return quantized
    cache = 2 * _CALIBRATION_LENGTH_TOKENS * sizes.cached_in_llamacpp
    computing = _LIBRARIES["llamacpp"] + cache + _batch_bytes(sizes)
    files = 1 if options.mix is None else 1 + len(options.mix.candidates)
    return highest(
        quantized, MemoryNeed(held_bytes=computing, weights_bytes=files * sizes.in_16_bits)
    )


def _compressed_build(
    sizes: Sizes, recipe: Recipe, options: CompressedTensorsOptions, written: int
) -> MemoryNeed:
    """New weights are held, and the base's where something was written into them: else they stay mapped."""
    held = _compressor(sizes) + written + _working_bytes(sizes, recipe)
    rewritten = options.modifier != "QuantizationModifier" or options.smoothing_strength is not None
    return MemoryNeed(held_bytes=held + (sizes.in_16_bits if rewritten else 0))


def _compressor(sizes: Sizes) -> int:
    return _COMPRESSING + _tokenizer_bytes(sizes)


def _working_bytes(sizes: Sizes, recipe: Recipe) -> int:
    """Return what quantizing a layer takes beside its weights, and what goes from layer to layer.

    AWQ quantizes each matrix again for every scale that it tries, beside the matrix as it was.
    """
    copies = 10 * sizes.largest_tensor
    if recipe.calibration is Calibration.NONE:
        return copies
    states = 2 * 2 * recipe.calibration_tokens * sizes.hidden
    options = recipe.options
    modifier = options.modifier if isinstance(options, CompressedTensorsOptions) else None
    if modifier == "AWQModifier":
        return 2 * copies + states
    hessians = 4 * (sizes.squared_inputs + sizes.widest**2) if modifier == "GPTQModifier" else 0
    return copies + states + hessians


def computing_memory(checkpoint: Checkpoint, dtype: ComputeDtype) -> MemoryNeed:
    """Return what computing the checkpoint itself takes, whole passages at once without a cache."""
    sizes = sizes_of(checkpoint)
    held = _LIBRARIES["transformers"] + _tokenizer_bytes(sizes) + _COMPUTING
    bytes_a_weight, stored = _STORED_AS[dtype]
    if checkpoint.dtype == stored:
        return MemoryNeed(held_bytes=held, weights_bytes=bytes_a_weight * sizes.weights)
    return MemoryNeed(held_bytes=held + bytes_a_weight * sizes.weights)


def answer_memory(
    checkpoint: Checkpoint, recipe: Recipe | None, held: HeldAtOnce, *, in_llamacpp: bool
) -> MemoryNeed:
    """Return what answering takes: a variant, or the base where there is no recipe.

    `held` is what the runtime holds at once (`Runtime.held_at_once`).
    """
    sizes = sizes_of(checkpoint)
    if in_llamacpp:
        bits = CACHE_BITS[recipe.kv_cache if recipe else "f16"]
        kept = int(held.tokens * sizes.cached_in_llamacpp * bits / 8)
        computing = held.contexts * _batch_bytes(sizes)
        anew = copied_bytes(checkpoint, recipe)
        return MemoryNeed(
            held_bytes=_LIBRARIES["llamacpp"] + kept + computing + anew,
            weights_bytes=_file_bytes(checkpoint, recipe) - anew,
        )
    cache = 2 * held.tokens * sizes.cached_in_transformers
    logits = 4 * 2 * held.sequences * sizes.vocabulary
    return _in_transformers(checkpoint, recipe, cache + logits)


def audit_memory(checkpoint: Checkpoint, recipe: Recipe | None, *, in_llamacpp: bool) -> MemoryNeed:
    """Return what looking at a variant, or at the base, takes in its runtime; rulers are apart."""
    sizes = sizes_of(checkpoint)
    compared = min(_LOGITS_BYTES, 4 * 4 * 512 * sizes.vocabulary)
    if in_llamacpp:
        anew = copied_bytes(checkpoint, recipe)
        held = _LIBRARIES["llamacpp"] + compared + _batch_bytes(sizes) + anew
        beside = _file_bytes(checkpoint, recipe) - anew if recipe else 0
        return MemoryNeed(held_bytes=held, weights_bytes=sizes.in_16_bits + beside)
    return _in_transformers(checkpoint, recipe, compared)


def rulers_memory(checkpoint: Checkpoint) -> MemoryNeed:
    """Return what rounding the base's own weights to nearest takes, which variants are held against."""
    sizes = sizes_of(checkpoint)
    compared = min(_LOGITS_BYTES, 4 * 4 * 512 * sizes.vocabulary)
    rounding = 12 * sizes.largest_tensor
    return _in_transformers(checkpoint, None, compared + rounding)


def _in_transformers(checkpoint: Checkpoint, recipe: Recipe | None, beside: int) -> MemoryNeed:
    """Weights are computed with in bfloat16.

    A variant's are packed: its files and a second copy lie in memory as well while they are expanded.
    """
    sizes = sizes_of(checkpoint)
    held = _LIBRARIES["transformers"] + _tokenizer_bytes(sizes) + beside
    packed = sizes.in_16_bits + _file_bytes(checkpoint, recipe) if recipe else 0
    if is_read_from_disk(checkpoint, recipe):
        return MemoryNeed(held_bytes=held, weights_bytes=sizes.in_16_bits + packed)
    return MemoryNeed(held_bytes=held + sizes.in_16_bits + packed)


def is_read_from_disk(checkpoint: Checkpoint, recipe: Recipe | None) -> bool:
    """Whether transformers may leave weights on the disk and read them layer by layer.

    Mixtures are taken apart in memory, and packed layouts other than compressed-tensors expanded there.
    """
    stored = checkpoint.quantization
    packed = recipe.format if recipe else stored.format if stored else None
    return not checkpoint.is_sparse and packed in (None, Format.COMPRESSED_TENSORS)


def _file_bytes(checkpoint: Checkpoint, recipe: Recipe | None) -> int:
    if recipe is None:
        return 2 * checkpoint.parameter_count
    return expected_size(checkpoint, recipe).size_bytes


def _batch_bytes(sizes: Sizes) -> int:
    """Return what llama.cpp computes a batch of 512 tokens in: logits, and the widest of its layers."""
    return 512 * 4 * (sizes.vocabulary + 3 * sizes.widest + 4 * sizes.hidden)


def _tokenizer_bytes(sizes: Sizes) -> int:
    return _TOKEN_BYTES * sizes.vocabulary
