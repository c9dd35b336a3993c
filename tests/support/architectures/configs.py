"""Configurations of transformers at a size that takes a second; only the worker beside imports this."""

from collections.abc import Mapping
from typing import Any

from transformers import CONFIG_MAPPING

from tests.support.architectures.names import Architecture
from tests.support.architectures.sizes import (
    BESIDE,
    HEAD,
    HEADS,
    KINDS_OF_LAYERS,
    LAYERS,
    LEAST,
    NAMED_EVEN_IF_ABSENT,
    OVERRIDES,
    TEXT,
)
from tests.support.architectures.tokenizers import BEGIN_ID, END_ID, IDS, PAD_ID

_TEXT_PARTS = ("text_config", "decoder")
_IDS = {"bos_token_id": BEGIN_ID, "eos_token_id": END_ID, "pad_token_id": PAD_ID}
_LANGUAGE = {**TEXT, "vocab_size": IDS, "vocab_size_per_layer_input": IDS}


def small_config(architecture: Architecture) -> Any:
    """Return the configuration of a small model of this architecture: its class's, but for sizes and ids."""
    kind = CONFIG_MAPPING[architecture.model_type]
    parts = {name: getattr(kind(), name, None) for name in getattr(kind, "sub_configs", {})}
    if not any(name in _TEXT_PARTS for name in parts):
        config = kind(**_small(kind(), _LANGUAGE), **_IDS)
    else:
        small = {
            name: _small_part(part, is_text=name in _TEXT_PARTS)
            for name, part in parts.items()
            if part is not None
        }
        config = kind(**small, **_IDS)
    _fit_sections(config.get_text_config())
    config.architectures = [architecture.name]
    return config


def _fit_sections(text: Any) -> None:
    """Let the parts of a rotation in space and time add up to a smaller head's."""
    rotation = getattr(text, "rope_parameters", None) or {}
    sections = rotation.get("mrope_section")
    if not sections:
        return
    rotated = int(HEAD * rotation.get("partial_rotary_factor", 1.0)) // 2
    smaller = [size * rotated // sum(sections) for size in sections]
    rotation["mrope_section"] = [smaller[0] + rotated - sum(smaller), *smaller[1:]]


def _small_part(part: Any, *, is_text: bool) -> dict[str, object]:
    sizes = _small(part, _LANGUAGE if is_text else BESIDE)
    return {"model_type": part.model_type, **sizes, **(_IDS if is_text else {})}


def _small(default: Any, sizes: Mapping[str, int]) -> dict[str, object]:
    """Return settings for the class of a configuration with all its defaults."""
    small: dict[str, object] = {
        name: size for name, size in sizes.items() if _is_size(default, name)
    }
    special = OVERRIDES.get(default.model_type, {})
    if "num_hidden_layers" in small:
        kinds = special.get("layer_types")
        needed = len(kinds) if isinstance(kinds, list) else _layers_of_every_kind(default)
        small["num_hidden_layers"] = max(LAYERS, needed)
    if "kv_lora_rank" in small:  # every head has keys of its own, made of one latent row
        small["num_key_value_heads"] = HEADS
    return small | dict(special)


def _layers_of_every_kind(default: Any) -> int:
    """Return how many layers it takes until every kind of them was there."""
    kinds: list[list[object]] = [getattr(default, name, None) or [] for name in KINDS_OF_LAYERS]
    return max((1 + each.index(kind) for each in kinds for kind in each), default=0)


def _is_size(default: Any, name: str) -> bool:
    """Say whether a configuration has a size of this name that is not switched off."""
    kind = type(default)
    if name in getattr(kind, "attribute_map", {}) or isinstance(
        getattr(kind, name, None), property
    ):
        return False
    default.allow_global_per_layer_attribute_access = True  # Gemma 4 refuses to tell one otherwise
    value = getattr(default, name, None)
    if value is None:
        return name in NAMED_EVEN_IF_ABSENT and hasattr(default, name)
    return type(value) is int and value > LEAST.get(name, 0)
