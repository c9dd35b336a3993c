"""Facts about a compressed-tensors folder, taken from its files and nothing else.

Format: compressed-tensors 0.19. A quantized module `m` stores `m.weight_packed` (or an 8-bit `m.weight`) with
`m.weight_scale` and, by scheme, `m.weight_zero_point`, `m.weight_global_scale`, `m.weight_g_idx`,
`m.weight_shape`; an unquantized one stores `m.weight` alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipelines.domain.variant import QuantizedTensor
from pipelines.files.safetensors_header import DTYPE_BITS, StoredTensor
from pipelines.files.tokenizer_folder import read_json_object

_PARTS = (
    "weight_packed", "weight_scale", "weight_zero_point", "weight_global_scale",
    "weight_shape", "weight_g_idx",
)  # fmt: skip
_EIGHT_BIT = ("F8_E4M3", "F8_E5M2", "I8", "U8")
_MISSING = "missing"


def stored_tensors(
    base: Iterable[StoredTensor], written: Iterable[StoredTensor], *, packed_type: str
) -> tuple[QuantizedTensor, ...]:
    """Return every weight by its base name, with its true storage cost in bits per base element.

    A base tensor of which nothing was written is reported with type `missing` and no bits.
    """
    parts: dict[str, dict[str, StoredTensor]] = defaultdict(dict)
    for tensor in written:
        module, _, part = tensor.name.rpartition(".")
        name = f"{module}.weight" if part in _PARTS else tensor.name
        if part not in ("input_scale", "input_global_scale", "input_zero_point"):
            parts[name][part] = tensor
    shapes = {tensor.name: tensor.parameter_count for tensor in base}
    for name in parts.keys() - shapes.keys():
        shapes[name] = sum(tensor.parameter_count for tensor in parts[name].values())
    return tuple(
        _quantized_tensor(name, count, parts.get(name, {}), packed_type)
        for name, count in sorted(shapes.items())
    )


def packed_type(folder: Path) -> str:
    """Return what a folder's packed weights are (`int4`, `nvfp4`, `mxfp4` …), as its config.json says."""
    quantization = read_json_object(folder / "config.json").get("quantization_config")
    groups = quantization.get("config_groups") if isinstance(quantization, dict) else None
    for group in groups.values() if isinstance(groups, dict) else ():
        match group:
            case {"format": str(written), "weights": {"type": str(kind), "num_bits": int(bits)}}:
                family = next((name for name in ("nvfp", "mxfp") if name in written), kind)
                return f"{family}{bits}"
    return "packed"


def _quantized_tensor(
    name: str, count: int, parts: Mapping[str, StoredTensor], packed: str
) -> QuantizedTensor:
    plain = parts.get("weight")
    eight_bit = plain is not None and plain.dtype in _EIGHT_BIT and "weight_scale" in parts
    is_packed = "weight_packed" in parts and "weight_scale" in parts
    whole = plain or next(iter(parts.values()), None)
    dtype = packed if is_packed else whole.dtype if whole else _MISSING
    stored_bits = sum(8 * tensor.size_bytes for tensor in parts.values())
    return QuantizedTensor(
        name=name,
        type=dtype,
        parameter_count=count,
        bits_per_weight=stored_bits / count if count else 0.0,
        quantized=(is_packed or eight_bit) and stored_bits < DTYPE_BITS["F16"] * count,
    )
