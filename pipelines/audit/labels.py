"""The label on the file: what an artifact says that it is, held against what its recipe promises."""

from collections.abc import Iterable, Mapping

from quantgate.pipelines.audit.rulers import ruler_of
from quantgate.pipelines.domain.recipe import GgufOptions, Recipe
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.domain.verdicts.audit import AuditFinding
from quantgate.pipelines.domain.verdicts.ruler import Grid, ScaleType, SharedBy, Values
from quantgate.pipelines.engines.contents import Contents
from quantgate.pipelines.formats.ggml_types import FILE_TYPE_NUMBERS

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


def audit_labels(recipe: Recipe, contents: Contents) -> AuditFinding:
    """Hold the label on the file against the recipe."""
    if isinstance(recipe.options, GgufOptions):
        return _gguf_label(recipe.options, contents)
    return _folder_label(recipe, contents.quantization)


def _gguf_label(options: GgufOptions, contents: Contents) -> AuditFinding:
    names = {number: name for name, number in FILE_TYPE_NUMBERS.items()}
    return AuditFinding(
        check="label on the file",
        passed=contents.file_type == FILE_TYPE_NUMBERS.get(options.file_type),
        promised=options.file_type,
        found=names.get(contents.file_type, f"file type {contents.file_type}"),
    )


def _folder_label(recipe: Recipe, quantization: JsonObject) -> AuditFinding:
    """What config.json says of weights, activations and KV cache has to be the scheme's definition."""
    ruler = ruler_of(recipe)
    method = quantization.get("quant_method")
    if method in ("awq", "gptq"):
        declared = [_packed(quantization)]
        # Their layouts always have room for zero points, used or not.
        promised = [_without_zero_point(ruler.weights)]
        passed = method == recipe.format and declared == promised
    else:
        declared = _declared(quantization)
        promised = [ruler.weights, ruler.activations, ruler.kv_cache]
        passed = method == recipe.format and declared == promised
    return AuditFinding(
        check="label on the file",
        passed=passed,
        promised=f"{recipe.format}: {_spelled(promised)}",
        found=f"{method or 'no quantization'}: {_spelled(declared)}",
    )


def _declared(quantization: JsonObject) -> list[Grid | None]:
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


def _packed(quantization: JsonObject) -> Grid | None:
    """Read the layouts of AutoAWQ and AutoGPTQ: `bits` and `group_size`."""
    match quantization:
        case {"bits": int(bits), "group_size": int(size)}:
            return Grid(values="integer", shared_by="group", size=size, bits=bits)
        case _:
            return None


def _without_zero_point(grid: Grid | None) -> Grid | None:
    if grid is None:
        return None
    return Grid(values=grid.values, shared_by=grid.shared_by, size=grid.size, bits=grid.bits)


def _spelled(grids: Iterable[Grid | None]) -> str:
    return " / ".join(_spelled_grid(grid) if grid else "16 bits" for grid in grids)


def _spelled_grid(grid: Grid) -> str:
    name = f"int{grid.bits}" if grid.values == "integer" else grid.values
    shared = f"{grid.shared_by} of {grid.size}" if grid.size else grid.shared_by
    return f"{name} by {shared}{', zero points' if grid.zero_point else ''}"
