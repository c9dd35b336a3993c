"""llm-compressor's own tables of what may be smoothed, read from its source without importing it.

Source: llmcompressor 0.14, `modifiers/transform/{awq,smoothquant}`. A mapping names a layer whose output is
divided by scales, and the layers behind it that are multiplied by them. Tables name architectures; where none
does, Llama's mappings are taken. For some, mappings are made of the model itself (`*_DYNAMIC_*`).
"""

import ast
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from quantgate.pipelines.domain.errors import ToolchainError

_PACKAGE = "llmcompressor"


class Smoothing(StrEnum):
    """An algorithm that moves scales from activations into weights."""

    AWQ = "AWQ"
    SMOOTHQUANT = "SmoothQuant"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmoothingMapping:
    """A layer that is divided, and the layers behind it that are multiplied; patterns as in recipes."""

    smoothed: str
    balanced: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmoothingTable:
    """One algorithm's mappings by architecture; `usual` are those of architectures that no table names."""

    named: Mapping[str, tuple[SmoothingMapping, ...]]
    made_of_the_model: frozenset[str]
    usual: tuple[SmoothingMapping, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _TableSource:
    """Where a table stands: files below `modifiers/transform`, and what they call it."""

    mappings: str
    registry: str
    usual: str
    dynamic: str
    dynamic_registry: str


_SOURCES = {
    Smoothing.AWQ: _TableSource(
        mappings="awq/mappings.py",
        registry="AWQ_MAPPING_REGISTRY",
        usual="default_mappings",
        dynamic="awq/dynamic_mappings.py",
        dynamic_registry="AWQ_DYNAMIC_MAPPING_REGISTRY",
    ),
    Smoothing.SMOOTHQUANT: _TableSource(
        mappings="smoothquant/utils.py",
        registry="MAPPINGS_REGISTRY",
        usual="DEFAULT_SMOOTHQUANT_MAPPINGS",
        dynamic="smoothquant/dynamic_mappings.py",
        dynamic_registry="SMOOTHQUANT_DYNAMIC_MAPPING_REGISTRY",
    ),
}


@cache
def smoothing_table(algorithm: Smoothing) -> SmoothingTable:
    """Return an algorithm's table.

    Raises:
        ToolchainError: where llm-compressor is not installed, or its source is not as 0.14 has it.
    """
    source = _SOURCES[algorithm]
    assigned = _assignments(source.mappings)
    registry = _rows(assigned, source.registry)
    dynamic = _rows(_assignments(source.dynamic), source.dynamic_registry)
    return SmoothingTable(
        named={name: _mappings(assigned, node) for name, node in registry.items()},
        made_of_the_model=frozenset(dynamic),
        usual=_mappings(assigned, ast.Name(id=source.usual)),
    )


def _assignments(file: str) -> dict[str, ast.expr]:
    """Return what a module assigns to names, as it is written."""
    spec = importlib.util.find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise ToolchainError("llm-compressor is not installed", next_step="run `make setup`")
    path = Path(folders[0]) / "modifiers" / "transform" / file
    try:
        statements = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError) as error:
        raise _changed(file, str(error)) from error
    assigned: dict[str, ast.expr] = {}
    for statement in statements:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                assigned[name] = value
    return assigned


def _rows(assigned: Mapping[str, ast.expr], table: str) -> dict[str, ast.expr]:
    match assigned.get(table):
        case ast.Dict(keys=keys, values=values):
            return {
                key.value: value
                for key, value in zip(keys, values, strict=True)
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            }
    raise _changed(table, "is no table")


def _mappings(assigned: Mapping[str, ast.expr], node: ast.expr) -> tuple[SmoothingMapping, ...]:
    """Return a list of mappings; names stand for what was assigned to them."""
    while isinstance(node, ast.Name) and node.id in assigned:
        node = assigned[node.id]
    if not isinstance(node, ast.List):
        raise _changed(ast.unparse(node), "is no list of mappings")
    return tuple(_mapping(element) for element in node.elts)


def _mapping(node: ast.expr) -> SmoothingMapping:
    """Read `AWQMapping(smoothed, [balanced …])` or `LayerMap(balance_layers=[…], smooth_layers=…)`."""
    if not isinstance(node, ast.Call):
        raise _changed(ast.unparse(node), "is no mapping")
    try:
        values = [ast.literal_eval(argument) for argument in node.args]
        named = {each.arg: ast.literal_eval(each.value) for each in node.keywords}
    except ValueError as error:
        raise _changed(ast.unparse(node), str(error)) from error
    match values, named:
        case [str(smoothed), list(balanced)], {}:
            pass
        case [], {"balance_layers": list(balanced), "smooth_layers": str(smoothed)}:
            pass
        case _:
            raise _changed(ast.unparse(node), "is no mapping that is understood here")
    return SmoothingMapping(smoothed=smoothed, balanced=tuple(map(str, balanced)))


def _changed(what: str, why: str) -> ToolchainError:
    return ToolchainError(
        f"llm-compressor's tables of mappings are not as they were in 0.14: {what}: {why}",
        next_step="run `make setup` for the pinned version",
    )
