"""Tables and numbers that stand as literals in another program's Python source, read without running it."""

import ast
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

Literal = bool | int | float | str | None
"""What a scalar in a source can be."""


def literal_table(file: Path, name: str) -> dict[str, str]:
    """Return a table of strings that a module assigns to `name`: a dict, or an OrderedDict of pairs.

    Rows that are no pair of strings are passed over: what they mean shows only when they run.

    Raises:
        OSError, SyntaxError: where the file cannot be read, or is no Python.
        LookupError: where the module assigns no table to the name.
    """
    for statement in _statements(file.read_bytes()):
        value = _assigned(statement, name)
        if value is not None:
            return dict(_pairs(value))
    raise LookupError(f"{file.name} assigns nothing to {name}")


@lru_cache(maxsize=4)
def _statements(source: bytes) -> Sequence[ast.stmt]:
    """Return a module's statements: several tables are read from modules of thousands of lines."""
    return ast.parse(source).body


def scalar(node: ast.expr) -> Literal:
    """Return a number, text, bool or None, also where a product of numbers spells it (`4096 * 32`).

    Raises:
        ValueError: where it is anything else.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str | None):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = scalar(node.operand)
        if isinstance(value, int | float):
            return -value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Pow):
        left, right = scalar(node.left), scalar(node.right)
        if isinstance(left, int) and isinstance(right, int) and 0 <= right < _LARGEST_FACTOR:
            return left * right if isinstance(node.op, ast.Mult) else left**right
    raise ValueError(f"{ast.unparse(node)} is no literal")


def _assigned(statement: ast.stmt, name: str) -> ast.expr | None:
    match statement:
        case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
            return value
        case ast.AnnAssign(target=ast.Name(id=target), value=value) if target == name:
            return value
    return None


def _pairs(value: ast.expr) -> Iterator[tuple[str, str]]:
    match value:
        case ast.Dict(keys=keys, values=values):
            rows = [[key, item] for key, item in zip(keys, values, strict=True)]
        case ast.Call(args=[ast.List(elts=elements)]):
            rows = [list(row.elts) for row in elements if isinstance(row, ast.Tuple)]
        case _:
            rows = []
    for row in rows:
        match row:
            case [ast.Constant(value=str(key)), ast.Constant(value=str(item))]:
                yield key, item


_LARGEST_FACTOR = 1 << 20
