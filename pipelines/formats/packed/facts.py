"""Facts about a folder in AWQ's gemm or GPTQ's layout, taken from its files' headers.

Formats: autoawq 0.2.9 (`WQLinear_GEMM`) and auto-gptq 0.7.1 (`QuantLinear`). A quantized module `m` stores
`m.qweight`, `m.qzeros` and `m.scales`, GPTQ also `m.g_idx`; an unquantized one stores `m.weight`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.variant import QuantizedTensor
from quantgate.pipelines.formats.experts import base_counts
from quantgate.pipelines.formats.packed.config import PARTS
from quantgate.pipelines.formats.safetensors import DTYPE_BITS, StoredTensor

PACKED_TYPE = "int4"
_PARTS = PARTS[Format.GPTQ]
"""GPTQ's parts are AWQ's and one more."""
_MISSING = "missing"


def stored_tensors(
    base: Iterable[StoredTensor], written: Iterable[StoredTensor]
) -> tuple[QuantizedTensor, ...]:
    """Return every weight by its base name, with its true storage cost in bits per base element.

    Scales, zero points and group indices count. A base tensor of which nothing was written is reported
    with type `missing` and no bits.
    """
    parts: dict[str, dict[str, StoredTensor]] = defaultdict(dict)
    for tensor in written:
        module, _, part = tensor.name.rpartition(".")
        parts[f"{module}.weight" if part in _PARTS else tensor.name][part] = tensor
    counts = base_counts(base, parts)
    for name in parts.keys() - counts.keys():
        counts[name] = sum(tensor.parameter_count for tensor in parts[name].values())
    return tuple(
        _quantized_tensor(name, count, parts.get(name, {}))
        for name, count in sorted(counts.items())
    )


def _quantized_tensor(name: str, count: int, parts: Mapping[str, StoredTensor]) -> QuantizedTensor:
    packed = {"qweight", "qzeros", "scales"} <= parts.keys() and "weight" not in parts
    whole = next(iter(parts.values()), None)
    stored_bits = sum(8 * tensor.size_bytes for tensor in parts.values())
    return QuantizedTensor(
        name=name,
        type=PACKED_TYPE if packed else whole.dtype if whole else _MISSING,
        parameter_count=count,
        bits_per_weight=stored_bits / count if count else 0.0,
        quantized=packed and stored_bits < DTYPE_BITS["F16"] * count,
    )
