"""Facts about a compressed-tensors folder, taken from its files and nothing else.

Format: compressed-tensors 0.19. A quantized module `m` stores `m.weight_packed` (or an 8-bit `m.weight`) with
`m.weight_scale` and, by scheme, `m.weight_zero_point`, `m.weight_global_scale`, `m.weight_g_idx`,
`m.weight_shape`; an unquantized one stores `m.weight` alone. Activations whose scale is fixed beforehand have
it in `m.input_scale` or `m.input_global_scale`; an attention layer `a` with a quantized cache stores
`a.k_scale` and `a.v_scale`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.domain.variant import QuantizedTensor
from quantgate.pipelines.formats.experts import base_counts
from quantgate.pipelines.formats.nonfinite import nonfinite_tensors
from quantgate.pipelines.formats.packed.block_fp8 import SCALE
from quantgate.pipelines.formats.packed.cache_scales import CACHE_SCALES
from quantgate.pipelines.formats.safetensors import DTYPE_BITS, StoredTensor
from quantgate.pipelines.formats.scales import is_positive
from quantgate.pipelines.formats.tokenizers.folder import read_json_object

_PARTS = (
    "weight_packed", "weight_scale", "weight_zero_point", "weight_global_scale",
    "weight_shape", "weight_g_idx", SCALE,
)  # fmt: skip
_ACTIVATION_PARTS = ("input_scale", "input_global_scale", "input_zero_point")
_EIGHT_BIT = ("F8_E4M3", "F8_E5M2", "I8", "U8")
_MISSING = "missing"
_UNSOUND = "unsound"
_CACHE_BITS = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredScheme:
    """What a folder's config.json says of its quantized layers.

    `weight_type` names them (`int4`, `nvfp4`, `mxfp8` …), "" where no weight is quantized.
    `activation_scale` is the part each must have because its activations' scale is fixed beforehand, None
    where it is not. `exponent_scales` says that scales are E8M0 exponents stored as bytes (MX formats).
    """

    weight_type: str
    activation_scale: str | None
    exponent_scales: bool


def stored_scheme(folder: Path) -> StoredScheme:
    """Read a folder's config.json; what our worker writes has at most one group of layers.

    Others write several, of which the first names the type; older releases gave all groups one format.
    """
    quantization = read_json_object(folder / "config.json").get("quantization_config")
    groups = quantization.get("config_groups") if isinstance(quantization, dict) else None
    schemes = [
        scheme
        for group in (groups.values() if isinstance(groups, dict) else ())
        if (scheme := _group_scheme(group, quantization)) is not None
    ]
    if not schemes:
        return StoredScheme(weight_type="", activation_scale=None, exponent_scales=False)
    scales = {scheme.activation_scale for scheme in schemes}
    return replace(schemes[0], activation_scale=scales.pop() if len(scales) == 1 else None)


def _group_scheme(group: JsonValue, quantization: JsonValue) -> StoredScheme | None:
    if not isinstance(group, dict):
        return None
    match group.get("weights"):
        case {"type": str(kind), "num_bits": int(bits)}:
            pass
        case _:
            return None
    overall = quantization.get("format") if isinstance(quantization, dict) else None
    written = str(group.get("format") or overall)
    family = next((name for name in ("nvfp", "mxfp") if name in written), kind)
    return StoredScheme(
        weight_type=f"{family}{bits}",
        activation_scale=_activation_scale(group.get("input_activations")),
        exponent_scales=family == "mxfp",
    )


def stored_tensors(
    base: Iterable[StoredTensor], written: Iterable[StoredTensor], scheme: StoredScheme
) -> tuple[QuantizedTensor, ...]:
    """Return every weight by its base name, with its true storage cost in bits per base element.

    A base tensor of which nothing was written is reported with type `missing` and no bits. A layer whose
    activations lack a fixed scale that they need is not quantized as promised, and not counted so. Scales
    of a quantized cache are reported too: of no weights, and `quantized` where their value is sound.
    """
    parts: dict[str, dict[str, StoredTensor]] = defaultdict(dict)
    activations: dict[str, dict[str, StoredTensor]] = defaultdict(dict)
    caches = []
    for tensor in written:
        module, _, part = tensor.name.rpartition(".")
        if part in CACHE_SCALES:
            caches.append(_cache_scale(tensor))
        elif part in _ACTIVATION_PARTS:
            activations[f"{module}.weight"][part] = tensor
        else:
            parts[f"{module}.weight" if part in _PARTS else tensor.name][part] = tensor
    counts = base_counts(base, parts)
    for name in parts.keys() - counts.keys():
        counts[name] = sum(tensor.parameter_count for tensor in parts[name].values())
    weights = [
        _weight(name, count, parts.get(name, {}), activations.get(name, {}), scheme)
        for name, count in counts.items()
    ]
    return tuple(sorted((*weights, *caches), key=lambda tensor: tensor.name))


def unsound_tensors(written: Iterable[StoredTensor], scheme: StoredScheme) -> tuple[str, ...]:
    """Return the names of tensors that hold NaN or infinity, E8M0 scales stored as bytes included."""
    return nonfinite_tensors(
        replace(tensor, dtype="F8_E8M0")
        if scheme.exponent_scales and tensor.name.endswith(".weight_scale") and tensor.dtype == "U8"
        else tensor
        for tensor in written
    )


def _activation_scale(activations: object) -> str | None:
    """`dynamic` is False for a fixed scale, "local" for a fixed scale of scales (NVFP4)."""
    match activations:
        case {"dynamic": "local"}:
            return "input_global_scale"
        case {"dynamic": False}:
            return "input_scale"
        case _:
            return None


def _weight(
    name: str,
    count: int,
    parts: Mapping[str, StoredTensor],
    activations: Mapping[str, StoredTensor],
    scheme: StoredScheme,
) -> QuantizedTensor:
    plain = parts.get("weight")
    scaled_itself = "weight_scale" in parts or SCALE in parts
    eight_bit = plain is not None and plain.dtype in _EIGHT_BIT and scaled_itself
    is_packed = "weight_packed" in parts and "weight_scale" in parts
    whole = plain or next(iter(parts.values()), None)
    named = is_packed or (eight_bit and scheme.exponent_scales)
    dtype = scheme.weight_type or "packed" if named else whole.dtype if whole else _MISSING
    stored_bits = sum(8 * tensor.size_bytes for tensor in parts.values())
    needed = scheme.activation_scale
    scaled = needed is None or (needed in activations and is_positive(activations[needed]))
    low = (is_packed or eight_bit) and stored_bits < DTYPE_BITS["F16"] * count
    return QuantizedTensor(
        name=name,
        type=dtype,
        parameter_count=count,
        bits_per_weight=stored_bits / count if count else 0.0,
        quantized=low and scaled,
    )


def _cache_scale(tensor: StoredTensor) -> QuantizedTensor:
    sound = is_positive(tensor)
    return QuantizedTensor(
        name=tensor.name,
        type="F8_E4M3 cache" if sound else _UNSOUND,
        parameter_count=0,
        bits_per_weight=_CACHE_BITS,
        quantized=sound,
    )
