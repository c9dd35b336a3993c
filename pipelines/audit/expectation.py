"""What a recipe makes of every tensor, held against what stands in the file, to the last tensor.

No range of bits is right for every model: how much of it is embeddings decides. So what is expected is
worked out from this checkpoint's shapes by the tool's own rules before anything is written.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from quantgate.pipelines.domain.recipe import GgufOptions, Recipe
from quantgate.pipelines.domain.variant import (
    MIXED_TYPE,
    QuantizedTensor,
    bits_of_all,
    bits_of_quantized,
)
from quantgate.pipelines.domain.verdicts.audit import AuditFinding
from quantgate.pipelines.formats.safetensors import FLOAT_TYPES

_SHOWN = 3
_SAME_BITS = 1e-6
"""Bits of one tensor are quotients of whole numbers: they differ by rounding alone, or really."""


def audit_expectation(
    recipe: Recipe,
    expected: Sequence[QuantizedTensor],
    written: Sequence[QuantizedTensor],
) -> tuple[AuditFinding, ...]:
    """Hold the type and the cost of every tensor against what the recipe makes of these shapes."""
    return _every_tensor(recipe, expected, written), _bits(recipe, expected, written)


def _every_tensor(
    recipe: Recipe, expected: Sequence[QuantizedTensor], written: Sequence[QuantizedTensor]
) -> AuditFinding:
    others = list(_differing(expected, written, _candidates(recipe)))
    counted = _counted(written)
    if others:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        counted += f"; {', '.join(others[:_SHOWN])}{more}"
    return AuditFinding(
        check="tensor types",
        passed=bool(expected) and not others,
        promised=_counted(expected) if expected else "at least one tensor",
        found=counted,
    )


def _counted(tensors: Sequence[QuantizedTensor]) -> str:
    types = Counter(tensor.type for tensor in tensors)
    return ", ".join(f"{name} x {count}" for name, count in types.most_common())


def _candidates(recipe: Recipe) -> frozenset[str]:
    """What a measured mix may have given any tensor; empty where types are foretold."""
    mix = recipe.options.mix if isinstance(recipe.options, GgufOptions) else None
    return frozenset(name.upper() for name in mix.candidates) if mix else frozenset()


def _differing(
    expected: Sequence[QuantizedTensor],
    written: Sequence[QuantizedTensor],
    candidates: frozenset[str],
) -> Iterator[str]:
    """Yield what every wrong tensor is and should be; tensors that were never expected come last."""
    by_name: Mapping[str, QuantizedTensor] = {tensor.name: tensor for tensor in written}
    for tensor in expected:
        other = by_name.get(tensor.name)
        if other is None:
            yield f"{tensor.name} is missing"
        elif not _agree(tensor, other, candidates):
            yield f"{tensor.name} is {_spelled(other)}, not {_spelled(tensor)}"
    names = {tensor.name for tensor in expected}
    for other in written:
        if other.name not in names and other.bits_per_weight:
            yield f"{other.name} ({_spelled(other)}) is not expected"


def _agree(expected: QuantizedTensor, actual: QuantizedTensor, candidates: frozenset[str]) -> bool:
    """What stays in full precision may do so in any 16- or 32-bit type; whole numbers stay what they are."""
    if not expected.quantized and expected.type in FLOAT_TYPES:
        return actual.type in FLOAT_TYPES
    if not expected.quantized:
        return actual.type == expected.type
    if expected.type == MIXED_TYPE:
        return actual.type in candidates
    same_bits = abs(actual.bits_per_weight - expected.bits_per_weight) <= _SAME_BITS
    return actual.type == expected.type and actual.quantized and same_bits


def _spelled(tensor: QuantizedTensor) -> str:
    return f"{tensor.type} at {tensor.bits_per_weight:.4g} bits"


def _bits(
    recipe: Recipe, expected: Sequence[QuantizedTensor], written: Sequence[QuantizedTensor]
) -> AuditFinding:
    """Hold the mean over quantized weights; a range that the recipe's author states holds as well."""
    promised, actual = bits_of_quantized(expected), bits_of_quantized(written)
    below = actual <= promised + _SAME_BITS
    same = below if _candidates(recipe) else below and actual >= promised - _SAME_BITS
    passed = bool(expected) and same
    promise = f"{promised:.3f} of quantized weights, {bits_of_all(expected):.3f} of all"
    if _candidates(recipe):
        promise = f"at most {promise}"
    stated = recipe.bits_per_weight
    if stated is not None:
        passed = passed and stated.low <= actual <= stated.high
        promise += f"; by its recipe {stated.low:g} to {stated.high:g}"
    return AuditFinding(
        check="bits per weight",
        passed=passed,
        promised=promise,
        found=f"{actual:.3f} of quantized weights, {bits_of_all(written):.3f} of all",
    )
