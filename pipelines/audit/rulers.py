"""Which ruler a recipe is held against: a literal table from its scheme to plain round-to-nearest.

Schemes of compressed-tensors are those of its `quant_scheme.py` (PRESET_SCHEMES), of which round-to-nearest
is exact. Types of llama.cpp are those of ggml/src/ggml-common.h. They have codebooks and nested scales of
their own, so the ruler is an integer grid of the same nominal width in groups as small as theirs.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from quantgate.pipelines.audit.grids import declared_grids, packed_grid, spelled_grids
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.foreign import ForeignOptions
from quantgate.pipelines.domain.recipe import (
    AutoAwqOptions,
    AutoGptqOptions,
    CompressedTensorsOptions,
    Format,
    GgufOptions,
    KvCacheType,
    Numerics,
    Recipe,
)
from quantgate.pipelines.domain.verdicts.ruler import Grid, Ruler
from quantgate.pipelines.engines.expected import expected_tensors
from quantgate.pipelines.formats.gguf.types import GGML_TYPES, MAIN_TYPES


def _integer(bits: int, size: int, *, zero_point: bool = False) -> Grid:
    return Grid(values="integer", shared_by="group", size=size, bits=bits, zero_point=zero_point)


_INT8_ROW = Grid(values="integer", shared_by="row", bits=8)
_INT4_ROW = Grid(values="integer", shared_by="row", bits=4)
_FP8_TENSOR = Grid(values="e4m3", shared_by="tensor")
_FP8_ROW = Grid(values="e4m3", shared_by="row")
_FP8_BLOCK = Grid(values="e4m3", shared_by="block", size=128)
_FP8_GROUP = Grid(values="e4m3", shared_by="group", size=128)
_NVFP4 = Grid(values="e2m1", shared_by="group", size=16, scale="e4m3")
_MXFP4 = Grid(values="e2m1", shared_by="group", size=32, scale="e8m0")
_MXFP8 = Grid(values="e4m3", shared_by="group", size=32, scale="e8m0")

_WEIGHTS_AND_ACTIVATIONS: dict[str, tuple[Grid, Grid | None]] = {
    "W4A16_ASYM": (_integer(4, 128, zero_point=True), None),
    "W8A8": (_INT8_ROW, _INT8_ROW),
    "INT8": (_INT8_ROW, _INT8_ROW),
    "W4AFP8": (_integer(4, 128), _FP8_ROW),
    "FP8": (_FP8_TENSOR, _FP8_TENSOR),
    "FP8_DYNAMIC": (_FP8_ROW, _FP8_ROW),
    "FP8_BLOCK": (_FP8_BLOCK, _FP8_GROUP),
    "NVFP4A16": (_NVFP4, None),
    "NVFP4": (_NVFP4, _NVFP4),
    "MXFP4A16": (_MXFP4, None),
    "MXFP4": (_MXFP4, _MXFP4),
    "MXFP8A16": (_MXFP8, None),
    "MXFP8": (_MXFP8, _MXFP8),
    **{f"W{bits}A16": (_integer(bits, 128), None) for bits in range(2, 9)},
    **{f"W{bits}A8": (_integer(bits, 128), _INT8_ROW) for bits in range(2, 8)},
    **{f"W{bits}A4": (_integer(bits, 128), _INT4_ROW) for bits in range(2, 5)},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _GgmlRuler:
    """The grid of a tensor type's ruler, and over how many activations a scale goes."""

    grid: Grid
    activation_group: int


def _ternary(size: int) -> Grid:
    return Grid(values="ternary", shared_by="group", size=size)


_GGML_RULERS: dict[str, _GgmlRuler] = {
    name: _GgmlRuler(grid=grid, activation_group=group)
    for name, grid, group in (
        ("Q8_0", _integer(8, 32), 32),
        ("Q6_K", _integer(6, 16), 256),
        ("Q5_1", _integer(5, 32, zero_point=True), 32),
        ("Q5_0", _integer(5, 32), 32),
        ("Q5_K", _integer(5, 32, zero_point=True), 256),
        ("Q4_1", _integer(4, 32, zero_point=True), 32),
        ("Q4_0", _integer(4, 32), 32),
        ("Q4_K", _integer(4, 32, zero_point=True), 256),
        ("NVFP4", _NVFP4, 32),
        ("IQ4_NL", _integer(4, 32, zero_point=True), 32),
        ("IQ4_XS", _integer(4, 32, zero_point=True), 256),
        ("MXFP4", _MXFP4, 32),
        ("Q3_K", _integer(3, 16), 256),
        ("IQ3_S", _integer(3, 32), 256),
        ("IQ3_XXS", _integer(3, 32), 256),
        ("Q2_K", _integer(2, 16, zero_point=True), 256),
        ("IQ2_S", _integer(2, 16, zero_point=True), 256),
        ("IQ2_XS", _integer(2, 16, zero_point=True), 256),
        ("IQ2_XXS", _integer(2, 32, zero_point=True), 256),
        ("TQ2_0", _ternary(256), 256),
        ("IQ1_M", _ternary(32), 256),
        ("TQ1_0", _ternary(256), 256),
        ("IQ1_S", _ternary(32), 256),
    )
}

_FULL_BITS = 16

_KV_CACHES: dict[KvCacheType, Grid | None] = {
    "f16": None,
    "q8_0": _integer(8, 32),
    "q4_0": _integer(4, 32),
}


def ruler_on(checkpoint: Checkpoint, recipe: Recipe) -> Ruler:
    """Return what a recipe's variant of a checkpoint is held against.

    Where the blocks of a file type divide no row of it, that is what llama.cpp takes in its place.

    Raises:
        InputError: where the table has no row for the recipe's scheme.
    """
    expected = expected_tensors(checkpoint, recipe)
    return ruler_of(recipe, frozenset(tensor.type for tensor in expected if tensor.quantized))


def ruler_of(recipe: Recipe, types: Collection[str] = ()) -> Ruler:
    """Return what a recipe's variants are held against; `types` are those that a GGUF really gets.

    Raises:
        InputError: where the table has no row for the recipe's scheme.
    """
    options = recipe.options
    match options:
        case GgufOptions():
            ruler = _gguf(options, types)
        case CompressedTensorsOptions():
            ruler = _compressed_tensors(options)
        case ForeignOptions(quantization=""):
            ruler = _ggml_ruler(main_type(options.main_type))
        case ForeignOptions():
            ruler = _foreign_folder(options, recipe.numerics)
        case AutoAwqOptions():
            grid = _integer(4, options.group_size, zero_point=True)
            ruler = Ruler(label=f"W4A16, zero points, groups of {options.group_size}", weights=grid)
        case AutoGptqOptions():
            grid = _integer(4, options.group_size)
            ruler = Ruler(label=f"W4A16, groups of {options.group_size}", weights=grid)
    held = _KV_CACHES[recipe.kv_cache]
    if held is None:
        return ruler
    return replace(ruler, label=f"{ruler.label}, KV {recipe.kv_cache}", kv_cache=held)


def main_type(file_type: str) -> str:
    """Return the tensor type that one of llama.cpp's file types is named for.

    Raises:
        InputError: where the table has no row for it.
    """
    kind = MAIN_TYPES.get(file_type, file_type)
    if kind not in _GGML_RULERS:
        raise _unknown(file_type)
    return kind


def _compressed_tensors(options: CompressedTensorsOptions) -> Ruler:
    weights: Grid | None = None
    activations: Grid | None = None
    if options.scheme is not None:
        if options.scheme not in _WEIGHTS_AND_ACTIVATIONS:
            raise _unknown(options.scheme)
        weights, activations = _WEIGHTS_AND_ACTIVATIONS[options.scheme]
    if weights is not None and options.group_size is not None:
        weights = replace(weights, size=options.group_size)
    sized = f", groups of {options.group_size}" if options.group_size else ""
    cache = ", KV FP8" if options.kv_cache else ""
    return Ruler(
        label=f"{options.scheme or '16 bits'}{sized}{cache}",
        weights=weights,
        activations=activations,
        kv_cache=_FP8_TENSOR if options.kv_cache else None,
    )


def _gguf(options: GgufOptions, types: Collection[str]) -> Ruler:
    """A file is as good as its coarsest type, or, where types are measured, as the budget's uniform one."""
    main = main_type(options.file_type)
    if options.mix is not None:
        main = _widest_within(options.mix.budget_bits_per_weight, options.mix.candidates)
    elif types and main not in types:
        main = min((t for t in types if t in _GGML_RULERS), key=_bits, default=main)
    kinds = [main, *(rule.type.upper() for rule in options.tensor_types)]
    return _ggml_ruler(min((kind for kind in kinds if kind in _GGML_RULERS), key=_bits))


def _ggml_ruler(kind: str) -> Ruler:
    row = _GGML_RULERS[kind]
    return Ruler(
        label=kind,
        weights=row.grid,
        activations=_integer(8, row.activation_group),
        head=_integer(8, 32) if kind == "Q8_0" else _integer(6, 16),
        embeddings=row.grid,
    )


def _foreign_folder(options: ForeignOptions, numerics: Numerics) -> Ruler:
    """The grids that its config.json declares; where they are none of ours, integers of its least width."""
    quantization = json.loads(options.quantization)
    grid = packed_grid(quantization)
    weights, activations, cache = declared_grids(quantization)
    if quantization.get("quant_method") == Format.FP8:
        square, _ = quantization.get("weight_block_size", [_FP8_BLOCK.size] * 2)
        weights = replace(_FP8_BLOCK, size=square)
    elif grid is not None:
        weights = replace(grid, zero_point=quantization.get("sym") is not True)
    if weights is None and (bits := _narrowest(numerics.weights)) < _FULL_BITS:
        weights = _integer(bits, 128)
    return Ruler(
        label=spelled_grids([weights, activations, cache]),
        weights=weights,
        activations=activations,
        kv_cache=cache,
    )


def _narrowest(weights: str) -> int:
    return min((int(digits) for digits in re.findall(r"\d+", weights)), default=_FULL_BITS)


def _widest_within(budget_bits_per_weight: float, candidates: tuple[str, ...]) -> str:
    """Return the type that fits a budget if it is used for everything; the narrowest where none does."""
    ruled = sorted(
        (name.upper() for name in candidates if name.upper() in _GGML_RULERS),
        key=_bits,
    )
    if not ruled:
        raise _unknown(", ".join(candidates))
    fitting = [n for n in ruled if GGML_TYPES[n].bits_per_weight <= budget_bits_per_weight]
    return fitting[-1] if fitting else ruled[0]


def _bits(kind: str) -> float:
    return GGML_TYPES[kind].bits_per_weight


def _unknown(scheme: str) -> InputError:
    return InputError(
        f"there is no round-to-nearest ruler for {scheme}",
        next_step="add its row to pipelines/audit/rulers.py: a variant has to be held against one",
    )
