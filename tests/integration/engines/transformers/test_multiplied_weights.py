"""Layers whose weights classes of transformers multiply themselves, read from their source."""

import importlib.util
import re
from pathlib import Path

import pytest

from quantgate.pipelines.formats.whole_layers import step_projections

pytestmark = pytest.mark.integration

MULTIPLIED = re.compile(
    r"self\.(\w*proj\w*)\.weight @|@ self\.(\w*proj\w*)\.weight"
    r"|(?:linear|matmul|einsum|addmm|bmm)\([^)]*self\.(\w*proj\w*)\.weight"
)
NO_LANGUAGE_MODELS = {"neomme"}


def test_they_are_those_that_always_stay_whole() -> None:
    package = importlib.util.find_spec("transformers")
    assert package is not None and package.origin is not None
    found = {
        (file.parent.name, next(filter(None, match.groups())))
        for file in Path(package.origin).parent.glob("models/*/modeling_*.py")
        for match in MULTIPLIED.finditer(file.read_text())
    }
    layers = {layer for model, layer in found if model not in NO_LANGUAGE_MODELS}
    assert layers == {"dt_proj"}
    assert {model for model, layer in found if layer == "dt_proj"} == {
        *("falcon_mamba", "jamba", "mamba")
    }
    assert step_projections({f"layers.0.mixer.{layer}.weight": (8, 8) for layer in layers})
