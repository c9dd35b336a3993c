"""Settings as models are released: what llama.cpp's converter reads, and transformers 5 spells otherwise.

The converter asks transformers for config.json, which gives newer spellings, whoever wrote it. Sources:
conversion/*.py of the llama.cpp that llama-cpp-python 0.3.36 holds; configuration classes of transformers
5.17 and its `remap_legacy_layer_types`.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import takewhile

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.formats.configuration.language_config import language_part

_SAME = {"n_ctx": "n_positions"}
"""Settings that are left out, by the one that says the same."""
_LAYER_NAMES = {
    "granitemoehybrid": {"linear_attention": "mamba", "full_attention": "attention"},
    "qwen4_exp_text": {"qwen_sparse_attention": "full_attention"},
}
"""By model type, what the converter calls kinds of layers; it takes all others for the first kind."""
ROTATED = "attn_rotary_emb"
"""How many values of a head are rotated, in releases of Bamba; the converter writes it into the file."""
_HALF_ROTATED = "bamba"
"""transformers' class rotates half of a head, and keeps no setting of it."""
_DRAFTING = re.compile(r"(^|\.)(mtp|nextn)(\.|_)")
_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")


def as_released(config: JsonObject) -> JsonObject:
    """Return a configuration with what is missing, or spelled in another way, as releases have it.

    What a configuration says by itself stays.
    """
    part = language_part(config)
    restored = {**dict(_restored(part)), **part, **dict(_respelled(part))}
    if part is config:
        return restored
    return {key: restored if value is part else value for key, value in config.items()}


def lacks_draft(names: Iterable[str], layer_count: int) -> bool:
    """Say whether no tensor is of a layer that drafts tokens; transformers leaves these out when it saves.

    Such layers are called so, or stand behind the model's own, `layer_count` of them (0: not known).
    """
    return not any(
        _DRAFTING.search(name)
        or (layer_count and (layer := _LAYER.search(name)) and int(layer[1]) >= layer_count)
        for name in names
    )


def _restored(part: JsonObject) -> Iterator[tuple[str, JsonValue]]:
    for key, same in _SAME.items():
        if same in part:
            yield key, part[same]
    rotation = part.get("rope_parameters")
    if isinstance(rotation, dict) and "rope_theta" in rotation:
        yield "rotary_pct", rotation.get("partial_rotary_factor", 1.0)
    width, heads = part.get("hidden_size"), part.get("num_attention_heads")
    if (
        part.get("model_type") == _HALF_ROTATED
        and isinstance(width, int)
        and isinstance(heads, int)
    ):
        yield ROTATED, width // heads // 2
    kinds = part.get("mlp_layer_types")
    if isinstance(kinds, list):
        yield "first_k_dense_replace", len([*takewhile(lambda kind: kind == "dense", kinds)])


def _respelled(part: JsonObject) -> Iterator[tuple[str, JsonValue]]:
    names, layers = _LAYER_NAMES.get(str(part.get("model_type"))), part.get("layer_types")
    if names and isinstance(layers, list):
        yield "layer_types", [names.get(str(layer), layer) for layer in layers]
