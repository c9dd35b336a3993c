"""What a module's source mentions: modules of ours that it may run, and files of data beside it."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = "quantgate"
_DATA_FILE = re.compile(r"[\w-]+\.(?!py$)\w+")


def data_files(tree: ast.Module, folder: Path) -> Iterator[str]:
    """Yield the names of files beside a module that it writes out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value
            if _DATA_FILE.fullmatch(name) and (folder / name).is_file():
                yield name


def mentioned_modules(tree: ast.Module) -> Iterator[str]:
    """Yield dotted names of a module that may be modules of ours; who asks looks which of them exist."""
    texts = _texts(tree)
    for node in _running(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _as_module(node.value)
        elif isinstance(node, ast.JoinedStr):
            yield from _as_module(_joined(node, texts))


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those that only type checkers read, and what `source_digest` is not to follow."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.keyword) and child.arg == "alone":
            continue  # of `source_digest`: these are named so that they are not followed
        if isinstance(child, ast.If) and _is_type_checking(child.test):
            for other in child.orelse:
                yield other
                yield from _running(other)
            continue
        yield child
        yield from _running(child)


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return bool(name == "TYPE_CHECKING")


def _texts(tree: ast.Module) -> Mapping[str, str]:
    """Return the module's own constants that are texts, by name."""
    texts: dict[str, str] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        value = node.value.value if isinstance(node.value, ast.Constant) else None
        if isinstance(target, ast.Name) and isinstance(value, str):
            texts[target.id] = value
    return texts


def _joined(node: ast.JoinedStr, texts: Mapping[str, str]) -> str:
    """Return `f"{_WORKERS}.answer"` written out; a part that is not known makes no module's name."""
    parts: list[str] = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        elif isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name):
            parts.append(texts.get(part.value.id, " "))
        else:
            return ""
    return "".join(parts)


def _as_module(text: str) -> Iterator[str]:
    top, *parts = text.split(".")
    if top == PACKAGE and len(parts) > 1 and all(map(str.isidentifier, parts)):
        yield text
