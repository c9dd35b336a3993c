"""How positions are rotated, from the keys and tensors of a GGUF file to `rope_scaling` of a config.json.

Sources: `TextModel.set_gguf_parameters` (linear, yarn), `LlamaModel.generate_extra_tensors` (llama3: factors
by dimension, its four numbers are nowhere written) and `Phi3MiniModel` (longrope) in conversion/*.py beside
llama.cpp's converter; `ROPE_INIT_FUNCTIONS` in transformers/modeling_rope_utils.py 5.17.
"""

import math
from collections.abc import Mapping, Sequence

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject, JsonValue

_SCALING = "rope.scaling."
_ORIGINAL = f"{_SCALING}original_context_length"
_YARN = {
    f"{_SCALING}yarn_attn_factor": "attention_factor",
    f"{_SCALING}yarn_beta_fast": "beta_fast",
    f"{_SCALING}yarn_beta_slow": "beta_slow",
}
ROTATION_KEYS = (
    "rope.dimension_count", _ORIGINAL, f"{_SCALING}type", f"{_SCALING}factor",
    f"{_SCALING}finetuned", f"{_SCALING}attn_factor", f"{_SCALING}yarn_ext_factor", *_YARN,
)  # fmt: skip
"""Keys without the architecture's name that are read here, or follow from those that are."""
_LOW, _HIGH, _ORIGINAL_TOKENS = 1.0, 4.0, 8192
"""What every published model with llama3's rotation has: Llama 3.1, 3.2 and 3.3."""
_BASE = 10000.0  # where no key says another one
_EQUAL = 1e-3


def rotation(
    keys: Mapping[str, JsonValue],
    factors: Mapping[str, Sequence[float]],
    settings: JsonObject,
    where: str,
) -> JsonObject:
    """Return settings of a config.json: how much of a head is rotated, and how its positions are scaled.

    `keys` are those of the architecture, `factors` the tensors of factors by dimension, `settings` what
    was read besides.

    Raises:
        CheckpointError: where the scaling has no equal.
    """
    rotated: JsonObject = {}
    head = settings.get("head_dim") or head_size(settings)
    dimensions = keys.get("rope.dimension_count")
    if isinstance(dimensions, int) and isinstance(head, int) and 0 < dimensions < head:
        rotated["partial_rotary_factor"] = dimensions / head
    original = keys.get(_ORIGINAL)
    if original is not None and keys.get(f"{_SCALING}type") != "yarn":
        rotated["original_max_position_embeddings"] = original
    scaling = _scaling(keys, factors, settings.get("rope_theta"), where)
    return {**rotated, "rope_scaling": scaling} if scaling else rotated


def _scaling(
    keys: Mapping[str, JsonValue],
    factors: Mapping[str, Sequence[float]],
    theta: JsonValue,
    where: str,
) -> JsonObject:
    kind, factor = keys.get(f"{_SCALING}type"), keys.get(f"{_SCALING}factor")
    if "rope_freqs.weight" in factors:
        return _llama3(factors["rope_freqs.weight"], theta, where)
    if "rope_factors_long.weight" in factors:
        return {
            "rope_type": "longrope",
            "long_factor": list(factors["rope_factors_long.weight"]),
            "short_factor": list(factors["rope_factors_short.weight"]),
        }
    if kind in (None, "none", "longrope"):
        return {}
    if kind == "linear":
        return {"rope_type": "linear", "factor": factor}
    if kind == "yarn":
        further = {name: keys[key] for key, name in _YARN.items() if key in keys}
        return {
            "rope_type": "yarn",
            "factor": factor,
            "original_max_position_embeddings": keys.get(_ORIGINAL),
            **further,
        }
    raise CheckpointError(
        f"scales its positions in a way that has no equal here (rope.scaling.type is '{kind}')",
        where=where,
        next_step="name the checkpoint that the GGUF was made from",
    )


def _llama3(factors: Sequence[float], theta: JsonValue, where: str) -> JsonObject:
    """Return llama3's scaling where these factors are those of published models.

    Raises:
        CheckpointError: where they are others, whose four numbers cannot be told from them.
    """
    factor = max(factors)
    base = float(theta) if isinstance(theta, int | float) else _BASE
    expected = _llama3_factors(base, factor, 2 * len(factors))
    pairs = zip(factors, expected, strict=True)
    near = all(math.isclose(given, computed, rel_tol=_EQUAL) for given, computed in pairs)
    if not near:
        raise CheckpointError(
            "scales its positions by factors of its own (rope_freqs.weight), which are not llama3's",
            where=where,
            next_step="name the checkpoint that the GGUF was made from",
        )
    return {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": _LOW,
        "high_freq_factor": _HIGH,
        "original_max_position_embeddings": _ORIGINAL_TOKENS,
    }


def _llama3_factors(theta: float, factor: float, dimensions: int) -> list[float]:
    """Return by what each frequency is divided: `LlamaModel.generate_extra_tensors`."""
    factors = []
    for at in range(0, dimensions, 2):
        wavelength = 2 * math.pi * theta ** (at / dimensions)
        turns = _ORIGINAL_TOKENS / wavelength
        if turns > _HIGH:
            factors.append(1.0)
        elif turns < _LOW:
            factors.append(factor)
        else:
            smooth = (turns - _LOW) / (_HIGH - _LOW)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return factors


def head_size(settings: JsonObject) -> int | None:
    """Return how many values a head has where no setting says it; None where that cannot be told."""
    hidden, heads = settings.get("hidden_size"), settings.get("num_attention_heads")
    if isinstance(hidden, int) and isinstance(heads, int) and heads > 0:
        return hidden // heads
    return None
