"""What llm-compressor's preset schemes mean, and options that contradict them.

Presets: `PRESET_SCHEMES` in compressed_tensors/quantization/quant_scheme.py (0.19).
"""

import difflib
from collections.abc import Iterator

from quantgate.pipelines.domain.recipe import Calibration, CompressedTensorsOptions, Recipe

PRESET_GROUPS: dict[str, int | None] = {
    "W4A16": 128, "W4A16_ASYM": 128, "W8A16": 128, "W3A16": 128, "W2A16": 128,
    "W4A8": 128, "W4AFP8": 128, "W8A8": None, "INT8": None,
    "FP8": None, "FP8_DYNAMIC": None, "FP8_BLOCK": 128,
    "NVFP4": 16, "NVFP4A16": 16, "MXFP4": 32, "MXFP4A16": 32, "MXFP8": 32, "MXFP8A16": 32,
}  # fmt: skip
"""Weights that share a scale along the input dimension; None where a whole row or tensor does."""

BLOCK_SCHEMES = frozenset({"FP8_BLOCK"})
"""Schemes whose scales belong to blocks of 128 x 128 weights."""

ROW_SCHEMES = ("FP8_DYNAMIC", "W8A8")
"""Schemes whose rows have all that they need: a scale each, and nothing is stored of the whole matrix."""

_SIZED = frozenset({"W4A16", "W4A16_ASYM", "W8A16", "W3A16", "W2A16", "W4A8", "W4AFP8"})
_TENSOR_WIDE = frozenset({"FP8"})
_FIXED_ACTIVATIONS = frozenset({"FP8", "NVFP4"})


def group_size(options: CompressedTensorsOptions) -> int | None:
    """Return how many weights share a scale; None where a row or tensor does, or none is quantized."""
    if options.scheme is None:
        return None
    return options.group_size or PRESET_GROUPS[options.scheme.upper()]


def wants_calibration(options: CompressedTensorsOptions) -> bool:
    """Whether building needs a corpus: for the weights, for fixed activation scales, or for the KV cache."""
    return (
        options.modifier != "QuantizationModifier"
        or options.smoothing_strength is not None
        or options.kv_cache is not None
        or (options.scheme or "").upper() in _FIXED_ACTIVATIONS
    )


def mistakes(recipe: Recipe, options: CompressedTensorsOptions) -> tuple[str, ...]:
    """Return what a recipe says that cannot be meant, one sentence each; empty where it is sound."""
    scheme = (options.scheme or "").upper()
    if scheme and scheme not in PRESET_GROUPS:
        close = difflib.get_close_matches(scheme, PRESET_GROUPS, n=1)
        hint = f", did you mean {close[0]}?" if close else f": choose of {', '.join(PRESET_GROUPS)}"
        return (f"scheme {options.scheme} is unknown{hint}",)
    return (*_scheme_mistakes(scheme, options), *_calibration_mistakes(recipe, options))


def _scheme_mistakes(scheme: str, options: CompressedTensorsOptions) -> Iterator[str]:
    modifier, size = options.modifier, options.group_size
    if not scheme and (
        modifier != "QuantizationModifier" or options.smoothing_strength is not None
    ):
        yield f"{modifier} and smoothing choose weights, and without a scheme none are quantized"
    if size is not None and scheme not in _SIZED:
        groups = (
            f"has groups of {PRESET_GROUPS[scheme]}"
            if PRESET_GROUPS.get(scheme)
            else "has no groups"
        )
        yield f"scheme {scheme or 'none'} {groups}, so group_size {size} has no meaning"
    if modifier == "AWQModifier" and scheme in _TENSOR_WIDE:
        yield f"AWQ moves scales between channels, and {scheme} has one scale for a whole tensor"
    if modifier == "AWQModifier" and options.smoothing_strength is not None:
        yield "AWQ and SmoothQuant would smooth the same layers twice: leave smoothing_strength out"
    if modifier != "GPTQModifier" and (options.actorder or options.dampening_fraction is not None):
        yield f"actorder and dampening_fraction belong to GPTQModifier, not to {modifier}"


def _calibration_mistakes(recipe: Recipe, options: CompressedTensorsOptions) -> Iterator[str]:
    calibrated = recipe.calibration is Calibration.SAMPLES
    if wants_calibration(options) and not calibrated:
        yield f"is calibrated on sequences, and says calibration: {recipe.calibration}"
    if not wants_calibration(options) and calibrated:
        yield "takes nothing from a corpus, and says calibration: samples"
