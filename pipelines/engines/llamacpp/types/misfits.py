"""Whether a recipe fits a checkpoint, known before anything is converted.

Where a row is no multiple of its type's block, llama.cpp takes another type (`tensor_type_fallback` in
src/llama-quant.cpp), which `fallbacks` announces. Refused is what it would leave in F16 with success, as no
block divides it, and what is promised to the letter: types by name, measured mixes, `strict_shapes`.
"""

import re
from collections import Counter
from collections.abc import Iterator
from math import prod

from quantgate.pipelines.domain.checkpoint import Checkpoint, TensorFacts
from quantgate.pipelines.domain.recipe import Calibration, GgufOptions, Recipe
from quantgate.pipelines.engines.llamacpp.types.rules import UNQUANTIZED, fitting_type
from quantgate.pipelines.engines.llamacpp.types.table import FILE_TYPES, TENSOR_TYPES, TensorType
from quantgate.pipelines.engines.llamacpp.types.tensor_names import NEVER_COVERED, gguf_name
from quantgate.pipelines.specs.recipes import catalogue

_LEAST_BLOCK = 32
_EXPERT_DIMENSIONS = 3
_MOSTLY_UNFIT = (
    "most of its weights have no side that is a multiple of 32: llama.cpp would leave them at F16, whatever "
    "the recipe"
)
_BLOCK_WEIGHT = re.compile(r"\.(\d+)\..*weight$")
# Routers stay in F32 (`ffn_gate_inp`), norms have one dimension except where stacked; convolutions of states
# and what is very small stay whole as well (`tensor_allows_quantization`).
_NOT_QUANTIZED = re.compile(
    r"norm\.weight$|(mlp|block_sparse_moe|feed_forward)\.(gate|router)\.weight$"
    r"|conv1d\.|conv\.conv\.|altup|laurel|per_layer_model_proj|wpe\.|position_embeddings|embed_positions"
)


def misfits(checkpoint: Checkpoint, recipe: Recipe, options: GgufOptions) -> tuple[str, ...]:
    """Return why a recipe does not fit: what it asks for first, then the checkpoint's shapes."""
    wrong = tuple(_contradictions(recipe, options))
    if wrong:
        return wrong
    return (*_rule_misfits(checkpoint, options), *_shape_misfits(checkpoint, recipe, options))


def nearest(checkpoint: Checkpoint, recipe: Recipe, options: GgufOptions) -> Recipe | None:
    """Return the catalogue's GGUF recipe that fits and is most like one whose shapes do not.

    None where none fits, or where no checkpoint would fit the recipe.
    """
    return None if any(_contradictions(recipe, options)) else _nearest(checkpoint, recipe)


def _contradictions(recipe: Recipe, options: GgufOptions) -> Iterator[str]:
    """What no checkpoint can mend."""
    if options.file_type not in FILE_TYPES:
        yield f"llama.cpp knows no file type {options.file_type}; known: {', '.join(FILE_TYPES)}"
        return
    named = [rule.type for rule in options.tensor_types]
    named += options.mix.candidates if options.mix else ()
    unknown = [name for name in dict.fromkeys(named) if name not in TENSOR_TYPES]
    if unknown:
        yield (
            f"llama.cpp quantizes no tensor to {', '.join(unknown)}; known: {', '.join(TENSOR_TYPES)}"
        )
        return
    for rule in options.tensor_types:
        try:
            re.compile(rule.pattern)
        except re.error as error:
            yield f"tensor_types: '{rule.pattern}' is no regular expression ({error})"
    if recipe.calibration is not Calibration.IMATRIX:
        needing = [name for name in dict.fromkeys(named) if TENSOR_TYPES[name].needs_importance]
        if FILE_TYPES[options.file_type].needs_imatrix:
            needing.insert(0, options.file_type)
        if options.mix is not None and not needing:
            yield "a measured mix takes its tokens from the corpus: calibration: imatrix"
        yield from (
            f"{name} is garbage without an importance matrix: calibration: imatrix"
            for name in dict.fromkeys(needing)
        )
    if options.mix is not None:
        yield from _mix_contradictions(options.mix.candidates, options.mix.budget_bits_per_weight)


def _mix_contradictions(candidates: tuple[str, ...], budget: float) -> Iterator[str]:
    types = [TENSOR_TYPES[name] for name in candidates]
    if all(kind.needs_importance for kind in types):
        yield (
            "mix: embeddings have no importance, so one of the candidates has to do without: "
            "add Q2_K, IQ3_S, IQ4_XS or Q6_K"
        )
    cheapest = min(types, key=lambda kind: kind.bits_per_weight)
    if cheapest.bits_per_weight > budget:
        yield (
            f"mix: a budget of {budget:g} bits a weight is below {cheapest.name}'s "
            f"{cheapest.bits_per_weight:g}, the least of its candidates"
        )


def _rule_misfits(checkpoint: Checkpoint, options: GgufOptions) -> Iterator[str]:
    """Patterns that match nothing, where that is known, and embeddings that would need importance."""
    names = [gguf_name(tensor.name) for tensor in checkpoint.language_tensors if _is_weight(tensor)]
    translated = [name for name in names if name is not None]
    for rule in options.tensor_types:
        matched = [name for name in translated if re.search(rule.pattern, name)]
        if not matched and len(translated) == len(names):
            yield f"tensor_types: '{rule.pattern}' matches none of the checkpoint's weights"
        first = [name for name in matched if _rule_type(name, options) == rule.type]
        bare = [name for name in first if name in NEVER_COVERED]
        if bare and TENSOR_TYPES[rule.type].needs_importance:
            yield f"tensor_types: {bare[0]} has no importance, which {rule.type} needs"


def _shape_misfits(checkpoint: Checkpoint, recipe: Recipe, options: GgufOptions) -> Iterator[str]:
    """One sentence per row size that blocks do not divide, largest group first."""
    ragged = _ragged_rows(checkpoint, options)
    if not ragged:
        if not checkpoint.reviewed and _mostly_unfit(checkpoint):
            yield _MOSTLY_UNFIT
        return
    alternative = _nearest(checkpoint, recipe)
    fits = (
        f"{alternative.name} fits"
        if alternative
        else "no GGUF recipe fits, llama.cpp would leave it at F16"
    )
    counts = Counter((tensor.shape[-1], kind.name) for tensor, kind in ragged)
    for (row, name), count in counts.most_common():
        example = next(t for t, kind in ragged if (t.shape[-1], kind.name) == (row, name))
        others = f" (and {count - 1} more)" if count > 1 else ""
        yield (
            f"{example.name}{others} has rows of {row} weights and {name} works in blocks of "
            f"{TENSOR_TYPES[name].block}: {fits}"
        )


def _ragged_rows(
    checkpoint: Checkpoint, options: GgufOptions
) -> tuple[tuple[TensorFacts, TensorType], ...]:
    """Return the weights whose rows are no multiple of the blocks of a type that may not be another.

    Embeddings and output head are not among them unless a rule names them: llama.cpp has Q8_0 for those.
    """
    ragged = []
    for tensor in checkpoint.language_tensors:
        if not (checkpoint.reviewed or gguf_name(tensor.name)):
            continue  # which of its sides the converter makes rows of, it alone knows
        kind = _type_of(tensor, options) if _is_weight(tensor) else None
        if kind is None or tensor.shape[-1] % kind.block == 0:
            continue
        fallback = fitting_type(kind.name, tensor.shape[-1])
        if fallback == UNQUANTIZED or _is_promised(tensor, options):
            ragged.append((tensor, kind))
    return tuple(ragged)


def _mostly_unfit(checkpoint: Checkpoint) -> bool:
    """Say whether most weights have no side that any block divides, whichever side becomes the rows."""
    weights = [
        tensor
        for tensor in checkpoint.language_tensors
        if _is_weight(tensor) and len(tensor.shape) <= _EXPERT_DIMENSIONS
    ]
    unfit = [t for t in weights if all(size % _LEAST_BLOCK for size in t.shape[-2:])]
    return 2 * sum(prod(t.shape) for t in unfit) > sum(prod(t.shape) for t in weights)


def _is_promised(tensor: TensorFacts, options: GgufOptions) -> bool:
    """Whether a weight has to get its very type."""
    if options.strict_shapes or options.mix is not None:
        return True
    name = gguf_name(tensor.name)
    return name is not None and _rule_type(name, options) is not None


def _nearest(checkpoint: Checkpoint, recipe: Recipe) -> Recipe | None:
    """Return the catalogue's GGUF recipe that fits and is most like this one; None where none fits."""
    fitting = [
        other
        for other in catalogue()
        if isinstance(other.options, GgufOptions)
        and other.name != recipe.name
        and not _ragged_rows(checkpoint, other.options)
        and not any(_rule_misfits(checkpoint, other.options))
    ]
    return min(fitting, key=lambda other: _distance(recipe, other), default=None)


def _distance(recipe: Recipe, other: Recipe) -> tuple[bool, int, bool, float, str]:
    """Alike means the same kind of number, about as many bits, calibrated or not, and bits per weight."""
    apart = abs(_bits(recipe) - _bits(other))
    return (
        recipe.numerics.weights.endswith("f") != other.numerics.weights.endswith("f"),
        round(apart),
        recipe.calibration != other.calibration,
        apart,
        other.name,
    )


def _bits(recipe: Recipe) -> float:
    """Return what the narrowest type costs that a recipe names, or its mix's budget."""
    options = recipe.options
    if not isinstance(options, GgufOptions):
        return recipe.nominal_bits
    if options.mix is not None:
        return options.mix.budget_bits_per_weight
    named = [rule.type for rule in options.tensor_types if rule.type in TENSOR_TYPES]
    main = FILE_TYPES[options.file_type].tensor_type
    return min((TENSOR_TYPES[name] for name in named), key=_cost, default=main).bits_per_weight


def _cost(kind: TensorType) -> float:
    return kind.bits_per_weight


def _is_weight(tensor: TensorFacts) -> bool:
    """Whether llama.cpp quantizes it, in some file type."""
    return (
        len(tensor.shape) >= 2
        and tensor.name.endswith("weight")
        and not _NOT_QUANTIZED.search(tensor.name)
    )


def _type_of(tensor: TensorFacts, options: GgufOptions) -> TensorType | None:
    """Return the type a weight is meant to get; None for what file types treat by rules of their own."""
    name = gguf_name(tensor.name)
    ruled = _rule_type(name, options) if name else None
    if ruled is not None:
        return TENSOR_TYPES[ruled]
    if options.mix is not None:
        return max((TENSOR_TYPES[name] for name in options.mix.candidates), key=lambda k: k.block)
    return FILE_TYPES[options.file_type].tensor_type if _BLOCK_WEIGHT.search(tensor.name) else None


def _rule_type(name: str, options: GgufOptions) -> str | None:
    """Return the type that the first matching rule gives a GGUF tensor."""
    matching = (rule.type for rule in options.tensor_types if re.search(rule.pattern, name))
    return next(matching, None)
