"""Which weights a recipe addresses and whether its groups fit them, told from names and shapes alone.

Matching follows compressed-tensors' `match_named_modules`: a target is a class name, an exact module name,
or a regular expression after `re:` that matches from the start of a module's name.
Divisors come from the presets in compressed_tensors/quantization/quant_scheme.py (0.19).
"""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable

from pipelines.domain.checkpoint import Checkpoint, TensorFacts
from pipelines.domain.recipe import CompressedTensorsOptions

PRESET_GROUPS: dict[str, int | None] = {
    "W4A16": 128, "W4A16_ASYM": 128, "W8A16": 128, "W3A16": 128, "W2A16": 128,
    "W4A8": 128, "W4AFP8": 128, "W8A8": None, "INT8": None,
    "FP8": None, "FP8_DYNAMIC": None, "FP8_BLOCK": 128,
    "NVFP4": 16, "NVFP4A16": 16, "MXFP4": 32, "MXFP4A16": 32, "MXFP8": 32, "MXFP8A16": 32,
}  # fmt: skip
"""Weights that share a scale along the input dimension; None where a whole row or tensor does."""

_WEIGHT = ".weight"
_GROUP_SIZES = (128, 64, 32, 16)
_LAYER_NUMBER = re.compile(r"\.\d+\.")


def addressed(
    tensors: Iterable[TensorFacts], options: CompressedTensorsOptions
) -> tuple[TensorFacts, ...]:
    """Return the 2-D weights that the recipe's targets match and its ignore list does not."""
    return tuple(
        tensor
        for tensor in tensors
        if tensor.name.endswith(_WEIGHT)
        and len(tensor.shape) == 2
        and any(_matches(tensor.name, target) for target in options.targets)
        and not any(_matches(tensor.name, ignored) for ignored in options.ignore)
    )


def misfits(checkpoint: Checkpoint, options: CompressedTensorsOptions) -> tuple[str, ...]:
    """Return why scheme, targets or group size do not fit the checkpoint; empty when they fit."""
    if options.scheme is None:
        return ()  # only the KV cache is quantized, which no shape hinders
    scheme = options.scheme.upper()
    if scheme not in PRESET_GROUPS:
        close = difflib.get_close_matches(scheme, PRESET_GROUPS, n=1)
        hint = f", did you mean {close[0]}?" if close else f": choose of {', '.join(PRESET_GROUPS)}"
        return (f"scheme {options.scheme} is unknown{hint}",)
    preset = PRESET_GROUPS[scheme]
    if options.group_size is not None and preset is None:
        return (
            f"scheme {scheme} has no groups, so group_size {options.group_size} has no meaning",
        )
    weights = addressed(checkpoint.tensors, options)
    if not weights:
        targets, ignored = ", ".join(options.targets), ", ".join(options.ignore) or "nothing"
        return (f"targets {targets} (ignoring {ignored}) match no layer of {checkpoint.name}",)
    group = options.group_size or preset
    return _indivisible(weights, group, scheme) if group else ()


def _indivisible(weights: Iterable[TensorFacts], group: int, scheme: str) -> tuple[str, ...]:
    """One sentence for each kind of layer whose input dimension the group size does not divide."""
    kinds: dict[tuple[str, tuple[int, ...]], list[str]] = defaultdict(list)
    for tensor in weights:
        if tensor.shape[1] % group:
            kinds[_LAYER_NUMBER.sub(".*.", tensor.name), tensor.shape].append(tensor.name)
    sentences = []
    for (_, shape), names in kinds.items():
        fitting = [str(size) for size in _GROUP_SIZES if size < group and shape[1] % size == 0]
        others = f" and {len(names) - 1} more like it" if len(names) > 1 else ""
        remedy = (
            f"group size {', '.join(fitting)} fits" if fitting else "no smaller group size fits"
        )
        sentences.append(
            f"{names[0]}{others} has {shape[1]} inputs (shape {shape[0]} x {shape[1]}), which groups "
            f"of {group} ({scheme}) do not divide; {remedy}, and so does FP8_DYNAMIC"
        )
    return tuple(sentences)


def _matches(tensor_name: str, target: str) -> bool:
    module = tensor_name.removesuffix(_WEIGHT)
    if target.startswith("re:"):
        return re.match(target.removeprefix("re:"), module) is not None
    if target == "Linear":
        return "embed" not in module.rsplit(".", 1)[-1]
    return module == target
