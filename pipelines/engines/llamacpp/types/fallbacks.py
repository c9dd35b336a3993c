"""What llama.cpp makes of weights whose rows the blocks of their type do not divide, told before it does.

SmolLM2's rows of 576 weights are no multiple of 256: published "Q4_K_M" files of it are mostly Q5_0 and Q8_0.
"""

import re
from collections import Counter

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Calibration, GgufOptions, Recipe
from quantgate.pipelines.engines.llamacpp.types.expected import gguf_model, gguf_weights
from quantgate.pipelines.engines.llamacpp.types.facts import GgufWeight
from quantgate.pipelines.engines.llamacpp.types.rules import chosen_types, fitting_type
from quantgate.pipelines.formats.gguf.types import GGML_TYPES

_IN_GGUF = re.compile(r"blk\.\d+\.|token_embd\.|output\.")


def untold(checkpoint: Checkpoint) -> str | None:
    """Return a sentence about weights that the converter alone names; None where all are told beforehand."""
    weights = [weight for weight in gguf_weights(checkpoint) if len(weight.shape) > 1]
    unnamed = [weight for weight in weights if not _IN_GGUF.match(weight.name)]
    if checkpoint.reviewed or not unnamed:
        return None
    return (
        f"the types of {len(unnamed)} of its {len(weights)} matrices, and so its size, are known for certain "
        "only once it is converted"
    )


def fallbacks(checkpoint: Checkpoint, recipe: Recipe, options: GgufOptions) -> str | None:
    """Return a sentence about types that are not those of the recipe's name; None where all rows fit.

    Bits a weight are means over all weights that llama.cpp quantizes.
    """
    if options.mix is not None:
        return None  # every one of its candidates has to fit
    weights = gguf_weights(checkpoint)
    if not checkpoint.reviewed:  # other names say nothing of rows
        weights = tuple(weight for weight in weights if _IN_GGUF.match(weight.name))
    chosen = chosen_types(
        weights,
        gguf_model(checkpoint),
        options.file_type,
        rules=options.tensor_types,
        has_imatrix=recipe.calibration is Calibration.IMATRIX,
    )
    quantized = [weight for weight in weights if weight.name in chosen]
    given = {w.name: fitting_type(chosen[w.name], w.shape[-1]) for w in quantized}
    changed = [weight for weight in quantized if given[weight.name] != chosen[weight.name]]
    if not changed:
        return None
    counts = Counter(given[weight.name] for weight in changed)
    types = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    return (
        f"{len(changed)} of {len(quantized)} weights have rows that the blocks of their type do not divide "
        f"and become {types}: {_mean_bits(quantized, given):.2f} bits a weight instead of "
        f"{_mean_bits(quantized, chosen):.2f}"
    )


def _mean_bits(weights: list[GgufWeight], types: dict[str, str]) -> float:
    total = sum(weight.parameter_count for weight in weights)
    return (
        sum(GGML_TYPES[types[w.name]].bits_per_weight * w.parameter_count for w in weights) / total
    )
