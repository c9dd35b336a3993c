"""A class name has one meaning in the whole program."""

import ast
from collections import defaultdict
from collections.abc import Iterator

from tests.support.project import PROJECT

HOUSES = ("calibration", "flows", "pipelines", "registry")


def classes() -> Iterator[tuple[str, str]]:
    """Every class with the module that defines it."""
    for house in HOUSES:
        for path in sorted((PROJECT / house).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    yield node.name, str(path.relative_to(PROJECT))


def test_no_two_classes_have_the_same_name() -> None:
    homes = defaultdict(list)
    for name, module in classes():
        homes[name].append(module)
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}
