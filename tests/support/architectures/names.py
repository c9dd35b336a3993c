"""Which causal architectures llama.cpp's converter and transformers both know, by their own registries.

A new version of either brings its new names by itself.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.architectures import ToolArchitectures
from quantgate.pipelines.formats.configuration.literals import literal_table

_TABLES = ("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES")
_TEXT = "_text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A class as config.json names it in `architectures`, and its `model_type` in transformers."""

    name: str
    model_type: str


def known_to_all(tools: Sequence[ToolArchitectures]) -> tuple[Architecture, ...]:
    """Return what all of these tools know, by name."""
    shared = frozenset.intersection(*(tool.names for tool in tools))
    types = _model_types()
    return tuple(
        Architecture(name=name, model_type=types[name]) for name in sorted(shared, key=str.casefold)
    )


def _model_types() -> dict[str, str]:
    """Return the type that transformers knows a class by: of several that of text alone, else the first."""
    package = importlib.util.find_spec("transformers")
    assert package is not None and package.origin is not None
    file = Path(package.origin).parent / "models" / "auto" / "modeling_auto.py"
    types: dict[str, str] = {}
    for table in _TABLES:
        for model_type, name in literal_table(file, table).items():
            if name not in types or model_type.endswith(_TEXT):
                types[name] = model_type
    return types
