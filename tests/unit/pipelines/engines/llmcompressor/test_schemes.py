"""Recipes for llm-compressor that contradict themselves are told so before anything is built."""

from dataclasses import replace

import pytest

from quantgate.pipelines.domain.recipe import (
    BitsPerWeight,
    Calibration,
    CompressedTensorsOptions,
    Format,
    Numerics,
    Recipe,
)
from quantgate.pipelines.engines.llmcompressor.schemes import (
    group_size,
    mistakes,
    wants_calibration,
)

PLAIN = CompressedTensorsOptions(scheme="FP8_DYNAMIC", modifier="QuantizationModifier")
GPTQ = CompressedTensorsOptions(scheme="W4A16", modifier="GPTQModifier")
AWQ = CompressedTensorsOptions(scheme="W4A16", modifier="AWQModifier")
CACHE = CompressedTensorsOptions(scheme=None, modifier="QuantizationModifier", kv_cache="fp8")


def _recipe(options: CompressedTensorsOptions, calibration: Calibration | None = None) -> Recipe:
    fitting = Calibration.SAMPLES if wants_calibration(options) else Calibration.NONE
    return Recipe(
        name="own",
        description="",
        scheme=options.scheme or "",
        algorithm="any",
        format=Format.COMPRESSED_TENSORS,
        numerics=Numerics(weights="W8", activations="A8", kv_cache="KV16"),
        runtime="transformers",
        calibration=calibration or fitting,
        calibration_tokens=100,
        bits_per_weight=BitsPerWeight(low=1, high=16),
        options=options,
    )


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        (PLAIN, False),
        (replace(PLAIN, scheme="W8A16"), False),
        (replace(PLAIN, scheme="FP8"), True),
        (replace(PLAIN, scheme="NVFP4"), True),
        (replace(PLAIN, scheme="W8A8", smoothing_strength=0.8), True),
        (GPTQ, True),
        (AWQ, True),
        (CACHE, True),
    ],
)
def test_what_is_fixed_beforehand_needs_a_corpus(
    options: CompressedTensorsOptions, needs: bool
) -> None:
    assert wants_calibration(options) is needs
    assert mistakes(_recipe(options), options) == ()
    wrong = Calibration.NONE if needs else Calibration.SAMPLES
    (sentence,) = mistakes(_recipe(options, wrong), options)
    assert sentence.endswith(f"says calibration: {wrong}")


def test_an_unknown_scheme_gets_a_suggestion() -> None:
    options = replace(PLAIN, scheme="FP8_DYNAMC")
    (sentence,) = mistakes(_recipe(options), options)
    assert sentence == "scheme FP8_DYNAMC is unknown, did you mean FP8_DYNAMIC?"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (replace(PLAIN, group_size=64), "FP8_DYNAMIC has no groups, so group_size 64"),
        (replace(PLAIN, scheme="MXFP8", group_size=64), "MXFP8 has groups of 32, so group_size 64"),
        (replace(AWQ, scheme="FP8"), "FP8 has one scale for a whole tensor"),
        (replace(AWQ, smoothing_strength=0.5), "would smooth the same layers twice"),
        (replace(AWQ, dampening_fraction=0.1), "belong to GPTQModifier, not to AWQModifier"),
        (replace(CACHE, modifier="GPTQModifier"), "without a scheme none are quantized"),
    ],
)
def test_options_that_cannot_be_meant_are_told(
    options: CompressedTensorsOptions, said: str
) -> None:
    (sentence,) = mistakes(_recipe(options), options)
    assert said in sentence


def test_the_group_size_is_the_recipes_or_the_presets() -> None:
    assert group_size(GPTQ) == 128
    assert group_size(replace(GPTQ, group_size=32)) == 32
    assert group_size(PLAIN) is None
    assert group_size(CACHE) is None
