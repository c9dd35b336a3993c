"""Names of the program: a class name has one meaning, and what a function names is a noun of the subject."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from tests.support.project import HOUSES, PROJECT

NO_NOUNS = {"found", "one", "told", "known", "wanted", "own"}


@cache
def modules() -> dict[str, ast.Module]:
    files = [path for house in HOUSES for path in sorted((PROJECT / house).rglob("*.py"))]
    return {
        str(path.relative_to(PROJECT)): ast.parse(path.read_text(encoding="utf-8"))
        for path in files
    }


def names_in(function: ast.AST) -> Iterator[str]:
    """Parameters and variables; fields of classes are left out, since sealed JSON has their names."""
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def test_no_two_classes_have_the_same_name() -> None:
    homes = defaultdict(list)
    for module, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(module)
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_functions_their_parameters_and_their_variables_are_called_by_nouns() -> None:
    named: dict[str, set[str]] = defaultdict(set)
    for module, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.Lambda):
                names = {*names_in(node), getattr(node, "name", "")}
                named[module] |= names & NO_NOUNS
    assert {module: names for module, names in named.items() if names} == {}
