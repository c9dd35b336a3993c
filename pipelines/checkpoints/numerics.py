"""What a natively low-bit checkpoint says of its own numerics: such a source is its own reference.

Sources: `QuantizationConfig` and `QuantizationArgs` of compressed-tensors 0.19; AWQ's and GPTQ's keys as in
`pipelines.formats.packed.config`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import StoredQuantization
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Format, Numerics
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.formats.packed.block_fp8 import SCALE, stored_square
from quantgate.pipelines.formats.packed.cache_scales import CACHE_SCALES
from quantgate.pipelines.formats.packed.config import stored_layout
from quantgate.pipelines.formats.packed.mxfp4_layout import BLOCK, BLOCKS, SCALES, is_mxfp4
from quantgate.pipelines.formats.safetensors import DTYPE_BITS, StoredTensor
from quantgate.pipelines.formats.tokenizers.folder import read_json_object

_PACKED = ("weight_packed", "qweight")
_BESIDE_WEIGHTS = (
    "weight_scale", "weight_zero_point", "weight_global_scale", "weight_shape", "weight_g_idx",
    "input_scale", "input_zero_point", "input_global_scale", *CACHE_SCALES,
    "qzeros", "scales", "g_idx", SCALE,
)  # fmt: skip
_FULL_BITS = 16
_LOADABLE = tuple(kind.value for kind in Format if kind is not Format.GGUF)
_ORIGINAL = "name the full-precision checkpoint it was made from"


def stored_quantization(folder: Path) -> StoredQuantization | None:
    """Return how a folder's config.json says that its weights are stored; None in full precision.

    Squares of FP8 and MXFP4 experts are expanded where they are computed: activations stay at 16 bits.

    Raises:
        CheckpointError: where that is a way that no runtime here loads, or its numerics are not said.
    """
    config = read_json_object(folder / "config.json")
    said = config.get("quantization_config") or config.get("compression_config")
    if not said:
        return None
    method = said.get("quant_method") if isinstance(said, dict) else None
    packed = stored_layout(folder)
    if packed is not None:
        return StoredQuantization(
            format=packed.format,
            layout=f"in groups of {packed.group_size}" if packed.group_size else "by whole columns",
            numerics=Numerics(weights="W4", activations="A16", kv_cache="KV16"),
            weight_bits=4,
        )
    if is_mxfp4(folder):
        return StoredQuantization(
            format=Format.MXFP4,
            layout=f"in blocks of {BLOCK}",
            numerics=Numerics(weights="W4f", activations="A16", kv_cache="KV16"),
            weight_bits=4,
        )
    square = stored_square(folder)
    if square is not None:
        return StoredQuantization(
            format=Format.FP8,
            layout=f"in squares of {square}",
            numerics=Numerics(weights="W8f", activations="A16", kv_cache="KV16"),
            weight_bits=8,
        )
    if not isinstance(said, dict) or method != Format.COMPRESSED_TENSORS:
        raise CheckpointError(
            f"is already quantized ({method or 'by a method it does not name'}), in a way that no "
            f"runtime here loads; known: {', '.join(_LOADABLE)}",
            where=str(folder),
            next_step=_ORIGINAL,
        )
    return _compressed(said, folder)


def parameter_count(
    tensors: Iterable[StoredTensor], quantization: StoredQuantization | None
) -> int:
    """Count weights: several in a stored word where they are packed; scales and zero points are none."""
    if quantization is None:
        return sum(tensor.parameter_count for tensor in tensors)
    count = 0
    for tensor in tensors:
        part = tensor.name.rpartition(".")[2]
        if quantization.format is Format.MXFP4 and part.endswith((BLOCKS, SCALES)):
            count += 2 * tensor.parameter_count if part.endswith(BLOCKS) else 0
        elif part in _PACKED:
            count += tensor.parameter_count * (DTYPE_BITS[tensor.dtype] // quantization.weight_bits)
        elif part not in _BESIDE_WEIGHTS:
            count += tensor.parameter_count
    return count


def _compressed(config: JsonObject, folder: Path) -> StoredQuantization:
    groups = config.get("config_groups")
    listed = (
        [group for group in groups.values() if isinstance(group, dict)]
        if isinstance(groups, dict)
        else []
    )
    weights = dict(_grids(group.get("weights") for group in listed))
    activations = dict(_grids(group.get("input_activations") for group in listed))
    caches = dict(_grids([config.get("kv_cache_scheme")]))
    if not (weights or caches):
        raise CheckpointError(
            "says that it is quantized by compressed-tensors and not to which numerics "
            "(config_groups names none)",
            where=str(folder / "config.json"),
            next_step=_ORIGINAL,
        )
    layout = config.get("format")
    return StoredQuantization(
        format=Format.COMPRESSED_TENSORS,
        layout=layout if isinstance(layout, str) else "of no name",
        numerics=Numerics(
            weights=_spelled("W", weights),
            activations=_spelled("A", activations),
            kv_cache=_spelled("KV", caches),
        ),
        weight_bits=min(weights.values(), default=_FULL_BITS),
    )


def _grids(arguments: Iterable[JsonValue]) -> Iterator[tuple[str, int]]:
    """Yield how each of these QuantizationArgs is written (`4`, `8f`), with its bits."""
    for grid in arguments:
        match grid:
            case {"num_bits": int(bits), "type": "float"} if bits > 0:
                yield f"{bits}f", bits
            case {"num_bits": int(bits)} if bits > 0:
                yield f"{bits}", bits


def _spelled(letter: str, grids: dict[str, int]) -> str:
    """Write numerics as recipes do: `W4`, `A8f`, `KV16`; of several kinds of layers, each."""
    return "+".join(f"{letter}{grid}" for grid in sorted(grids)) or f"{letter}{_FULL_BITS}"
