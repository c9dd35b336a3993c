"""Grids that a folder's quantization_config declares, and how they are written.

Sources: `QuantizationArgs` of compressed-tensors 0.19; AWQ's and GPTQ's keys as in
`pipelines.formats.packed.config`.
"""

from collections.abc import Iterable, Mapping

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.domain.verdicts.ruler import Grid, ScaleType, SharedBy, Values

_SHARED_BY: Mapping[str, SharedBy] = {
    "tensor": "tensor",
    "channel": "row",
    "token": "row",
    "group": "group",
    "tensor_group": "group",
    "block": "block",
}
_SCALES: Mapping[str, ScaleType] = {"torch.float8_e4m3fn": "e4m3", "torch.uint8": "e8m0"}
_FLOATS: Mapping[int, Values] = {4: "e2m1", 8: "e4m3"}


def declared_grids(quantization: JsonObject) -> list[Grid | None]:
    """Return the grids of weights, activations and KV cache that compressed-tensors' format declares."""
    groups = quantization.get("config_groups")
    listed = [*groups.values()] if isinstance(groups, dict) else []
    parts: list[Grid | None] = []
    for name in ("weights", "input_activations"):
        grids = {_grid(group.get(name)) for group in listed if isinstance(group, dict)}
        parts.append(grids.pop() if len(grids) == 1 else None)
    return [*parts, _grid(quantization.get("kv_cache_scheme"))]


def _grid(arguments: JsonValue) -> Grid | None:
    """Read compressed-tensors' QuantizationArgs; None where there are none or they mean nothing known."""
    if not isinstance(arguments, dict):
        return None
    match arguments:
        case {"type": str(kind), "num_bits": int(bits), "strategy": str(strategy)}:
            pass
        case _:
            return None
    shared, scale_type = _SHARED_BY.get(strategy), arguments.get("scale_dtype")
    values: Values | None = "integer" if kind == "int" else _FLOATS.get(bits)
    if shared is None or values is None:
        return None
    return Grid(
        values=values,
        shared_by=shared,
        size=_size(shared, arguments),
        bits=bits if values == "integer" else 0,
        zero_point=arguments.get("symmetric") is False,
        scale=_SCALES.get(scale_type, "float") if isinstance(scale_type, str) else "float",
    )


def _size(shared: SharedBy, arguments: JsonObject) -> int:
    if shared == "block":
        match arguments.get("block_structure"):
            case [int(rows), int(columns)] if rows == columns:
                return rows
        return 0
    size = arguments.get("group_size")
    return size if shared == "group" and isinstance(size, int) else 0


def packed_grid(quantization: JsonObject) -> Grid | None:
    """Read the layouts of AutoAWQ and AutoGPTQ: `bits` and `group_size`."""
    match quantization:
        case {"bits": int(bits), "group_size": int(size)}:
            return Grid(values="integer", shared_by="group", size=size, bits=bits)
        case _:
            return None


def spelled_grids(grids: Iterable[Grid | None]) -> str:
    """Write grids of weights, activations and KV cache as people read them."""
    return " / ".join(_spelled_grid(grid) if grid else "16 bits" for grid in grids)


def _spelled_grid(grid: Grid) -> str:
    name = f"int{grid.bits}" if grid.values == "integer" else grid.values
    shared = f"{grid.shared_by} of {grid.size}" if grid.size else grid.shared_by
    return f"{name} by {shared}{', zero points' if grid.zero_point else ''}"
