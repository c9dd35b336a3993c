"""Whether an artifact comes from this very base: what was not quantized has to be what the base has."""

import re
from collections.abc import Iterable

from quantgate.pipelines.domain.foreign import ForeignOptions
from quantgate.pipelines.domain.recipe import (
    AutoAwqOptions,
    CompressedTensorsOptions,
    Format,
    Recipe,
)
from quantgate.pipelines.domain.verdicts.audit import AuditFinding
from quantgate.pipelines.engines.contents import Contents
from quantgate.pipelines.formats.floats import difference
from quantgate.pipelines.formats.safetensors import FLOAT_TYPES, StoredTensor

_LAYER = re.compile(r"(^|\.)(layers|blk|h|blocks)\.\d+\.")
_SHOWN = 3


def audit_origin(recipe: Recipe, base: Contents, variant: Contents) -> tuple[AuditFinding, ...]:
    """Hold tensors left in floating point, and the ids that end a sequence, against the base's."""
    return _tensors(recipe, base, variant), _stops(base, variant)


def _tensors(recipe: Recipe, base: Contents, variant: Contents) -> AuditFinding:
    """A tensor is compared where both have it as a float, unless the algorithm may rescale it."""
    bases = {tensor.name: tensor for tensor in base.tensors if tensor.dtype in FLOAT_TYPES}
    compared = [
        tensor
        for tensor in variant.tensors
        if tensor.dtype in FLOAT_TYPES
        and tensor.name in bases
        and not (_smooths(recipe) and _LAYER.search(tensor.name))
    ]
    other = list(_differing(compared, bases))
    counted = f"{len(compared) - len(other)} of {len(compared)} equal"
    if other:
        counted += f"; differing: {', '.join(other[:_SHOWN])}"
    return AuditFinding(
        check="unquantized tensors equal the base's",
        passed=bool(compared) and not other,
        promised="all, within rounding of their types",
        found=counted,
    )


def _differing(compared: Iterable[StoredTensor], bases: dict[str, StoredTensor]) -> Iterable[str]:
    for tensor in compared:
        gap = difference(bases[tensor.name], tensor)
        if not gap.equal:
            yield f"{tensor.name} by {100 * gap.largest:.3g} %"


def _smooths(recipe: Recipe) -> bool:
    """Whether scales move from activations into weights, over the norms inside the layers.

    AWQ (arXiv 2306.00978, section 3.2) and SmoothQuant (arXiv 2211.10438, section 4) both do. Whoever made a
    folder elsewhere may have done so; nobody does before a GGUF is written.
    """
    match recipe.options:
        case AutoAwqOptions():
            return True
        case CompressedTensorsOptions(modifier="AWQModifier"):
            return True
        case CompressedTensorsOptions(smoothing_strength=strength):
            return strength is not None
        case ForeignOptions():
            return recipe.format is not Format.GGUF
        case _:
            return False


def _stops(base: Contents, variant: Contents) -> AuditFinding:
    return AuditFinding(
        check="ids that end an answer",
        passed=variant.stop_token_ids == base.stop_token_ids,
        promised=_listed(base.stop_token_ids),
        found=_listed(variant.stop_token_ids),
    )


def _listed(ids: tuple[int, ...]) -> str:
    return ", ".join(map(str, ids)) or "none"
