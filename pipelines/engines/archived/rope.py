"""Rotary position settings as transformers 4.51 reads them.

transformers 5 keeps them in `rope_parameters`; 4.51 has `rope_theta` and, where positions are scaled,
`rope_scaling`. Source: `modeling_rope_utils.py` of transformers 4.51.3 and 5.17.
"""

from quantgate.pipelines.domain.values import JsonObject, JsonValue

_KEYS: dict[str, tuple[str, ...]] = {
    "default": (),
    "linear": ("factor",),
    "dynamic": ("factor",),
    "llama3": (
        "factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings",
    ),
    "yarn": (
        "factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow",
        "mscale", "mscale_all_dim",
    ),
}  # fmt: skip
"""What each kind of scaling takes in both versions."""


class Untranslatable(Exception):  # noqa: N818  it says what a key is, and is caught one module away
    """A key whose meaning 4.51 has no words for."""

    def __init__(self, key: str, value: JsonValue) -> None:
        super().__init__(key)
        self.key = key
        self.value = value


def older_rope(config: JsonObject, *, partial_rotation: bool) -> JsonObject:
    """Return the keys that take the place of `rope_parameters`, `rope_theta` and `rope_scaling`.

    `partial_rotation` says that the model type rotates a part of each head, as `partial_rotary_factor` says.

    Raises:
        Untranslatable: naming the first key that 4.51 would not know or would take for another.
    """
    name = "rope_parameters" if "rope_parameters" in config else "rope_scaling"
    written = config.get(name) or {}
    if not isinstance(written, dict) or any(isinstance(v, dict) for v in written.values()):
        raise Untranslatable(name, written)  # one set for each kind of layer
    rest = dict(written)
    older: JsonObject = {}
    theta = rest.pop("rope_theta", config.get("rope_theta"))
    if theta is not None:
        older["rope_theta"] = theta
    elif name == "rope_parameters":
        raise Untranslatable(f"{name}.rope_theta", None)
    if "partial_rotary_factor" in rest:
        factor = rest.pop("partial_rotary_factor")
        if partial_rotation:
            older["partial_rotary_factor"] = factor
        elif factor != 1.0:
            raise Untranslatable(f"{name}.partial_rotary_factor", factor)
    also_called = rest.pop("type", None)
    kind = str(rest.pop("rope_type", also_called or "default"))
    if kind not in _KEYS:
        raise Untranslatable(f"{name}.rope_type", kind)
    for key, value in rest.items():
        if key not in _KEYS[kind]:
            raise Untranslatable(f"{name}.{key}", value)
    if kind == "yarn":
        _refuse_other_factor(rest, config.get("max_position_embeddings"), name)
    older["rope_scaling"] = {"rope_type": kind, **rest} if kind != "default" else None
    return older


def _refuse_other_factor(rope: JsonObject, longest: JsonValue, name: str) -> None:
    """4.51 replaces YaRN's factor by the ratio of the two lengths, 5 takes it as written."""
    original, factor = rope.get("original_max_position_embeddings"), rope.get("factor")
    numbers = (original, factor, longest)
    if not all(isinstance(number, int | float) and number for number in numbers):
        raise Untranslatable(f"{name}.original_max_position_embeddings", original)
    if longest / original != factor:  # type: ignore[operator]  # numbers, as was just made sure of
        raise Untranslatable(f"{name}.factor", factor)
