"""Layers that calibration never reaches are refused by name: llm-compressor saves them without scales."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from llmcompressor.modifiers import Modifier
from llmcompressor.modifiers.gptq import GPTQModifier
from llmcompressor.modifiers.quantization import QuantizationModifier

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.engines.llmcompressor.workers.matching import Matched
from quantgate.pipelines.engines.llmcompressor.workers.reached import Reached

pytestmark = pytest.mark.integration

CALLED, PASSED_BY = "layers.0.mixer.in_proj", "layers.0.mixer.dt_proj"


def watched(recipe: Sequence[Modifier]) -> tuple[Reached, dict[str, torch.nn.Module]]:
    layers: dict[str, torch.nn.Module] = {
        name: torch.nn.Linear(4, 4) for name in (CALLED, PASSED_BY)
    }
    stored = {name: f"backbone.{name}" for name in layers}
    matched = Matched(layers=layers, attentions=(), targets=("Linear",), ignore=(), stored=stored)
    return Reached(matched, recipe), layers


def test_a_layer_that_is_never_called_is_named_as_the_checkpoint_calls_it() -> None:
    reached, layers = watched([GPTQModifier(scheme="W4A16", targets=["Linear"])])
    layers[CALLED](torch.zeros(1, 4))
    with pytest.raises(CheckpointError, match=f"never reaches backbone.{PASSED_BY}: its class"):
        reached.require_all(Path("base"))
    layers[PASSED_BY](torch.zeros(1, 4))
    reached.require_all(Path("base"))


def test_what_needs_no_calibration_has_scales_all_the_same() -> None:
    reached, _ = watched([QuantizationModifier(scheme="FP8_DYNAMIC", targets=["Linear"])])
    reached.require_all(Path("base"))
