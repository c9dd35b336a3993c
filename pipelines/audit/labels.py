"""The label on the file: what an artifact says that it is, held against what its recipe promises."""

from quantgate.pipelines.audit.grids import declared_grids, packed_grid, spelled_grids
from quantgate.pipelines.audit.rulers import ruler_of
from quantgate.pipelines.domain.recipe import GgufOptions, Recipe
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.domain.verdicts.audit import AuditFinding
from quantgate.pipelines.domain.verdicts.ruler import Grid
from quantgate.pipelines.engines.contents import Contents
from quantgate.pipelines.formats.gguf.types import FILE_TYPE_NUMBERS


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
        declared = [packed_grid(quantization)]
        # Their layouts always have room for zero points, used or not.
        promised = [_without_zero_point(ruler.weights)]
        passed = method == recipe.format and declared == promised
    else:
        declared = declared_grids(quantization)
        promised = [ruler.weights, ruler.activations, ruler.kv_cache]
        passed = method == recipe.format and declared == promised
    return AuditFinding(
        check="label on the file",
        passed=passed,
        promised=f"{recipe.format}: {spelled_grids(promised)}",
        found=f"{method or 'no quantization'}: {spelled_grids(declared)}",
    )


def _without_zero_point(grid: Grid | None) -> Grid | None:
    if grid is None:
        return None
    return Grid(values=grid.values, shared_by=grid.shared_by, size=grid.size, bits=grid.bits)
