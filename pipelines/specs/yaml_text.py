"""YAML that people wrote, read within bounds; what is wrong has its line.

PyYAML (1.1, https://yaml.org/type/) ends in a ValueError for a date that no calendar has, in a TypeError for
a list as a key, in a RecursionError where brackets nest, and fills memory where aliases repeat aliases.
Here the text is composed to nodes once, the nodes are looked over, and only then become values.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.reading import read_text

_LARGEST_FILE_BYTES = 8 << 20
_DEEPEST = 100
_MOST_VALUES = 1_000_000
"""Values of a file with its aliases written out."""

_MOST_DIGITS = 308
"""Whole numbers of more have no double, which is what other programs read them as."""

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML 1.1 has no place for (chapter 5.1, `c-printable`)."""

_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset(
    f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "timestamp", "str")
)
_KINDS = {f"{_TAG}int": "whole number", f"{_TAG}float": "number", f"{_TAG}timestamp": "date"}
_MERGE, _VALUE = f"{_TAG}merge", f"{_TAG}value"
_COLLECTIONS = frozenset((f"{_TAG}map", f"{_TAG}seq"))


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlDocument:
    """A file's values, and the nodes that know their lines."""

    value: object
    root: yaml.Node


class _BoundError(ValueError):
    """A file beyond the bounds; never leaves this module."""


class _Loader(yaml.CSafeLoader):
    """Makes values of nodes that were composed before."""


def read_yaml(path: Path) -> YamlDocument | None:
    """Read a YAML file; None where it is empty.

    Raises:
        InputError: naming the file and every problem with its line.
    """
    text = read_text(path, _LARGEST_FILE_BYTES)
    try:
        _refuse_characters(text)
        _refuse_too_deep(text)
        root = yaml.compose(text, Loader=_Loader)
        if root is None:
            return None
        _refuse_too_many(root)
        problems = list(_problems(root))
        if problems:
            raise refused(path, problems)
        return YamlDocument(value=_Loader("").construct_document(root), root=root)
    except _BoundError as error:
        raise InputError(
            f"cannot be used: {error}",
            where=str(path),
            next_step="mend the file and run the same command again",
        ) from error
    except yaml.YAMLError as error:
        raise InputError(
            f"is not valid YAML: {_reason(error)}",
            where=str(path),
            next_step="mend the file and run the same command again",
        ) from error


def refused(path: Path, problems: list[str]) -> InputError:
    """Return one error that names a file and its first twenty problems."""
    shown = problems[:20]
    more = f"\n  … and {len(problems) - 20} more" if len(problems) > 20 else ""
    return InputError(
        "\n  ".join(["cannot be used:", *shown]) + more,
        where=str(path),
        next_step="mend the file and run the same command again",
    )


def line_of(node: yaml.Node, location: tuple[int | str, ...]) -> int:
    """Return the line of the deepest node on the way to a place in the document."""
    line = node.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            entry = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if entry is None:
                continue
            line, node = entry[0].start_mark.line + 1, entry[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                continue
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _refuse_characters(text: str) -> None:
    if match := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, match.start()) + 1
        raise _BoundError(
            f"line {line}: has the character U+{ord(match[0]):04X}, which no text has"
        )


def _refuse_too_deep(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise _BoundError(f"line {line}: nested deeper than {_DEEPEST} levels")


def _refuse_too_many(root: yaml.Node) -> None:
    """Count values with aliases written out, each node once."""
    counts: dict[int, int] = {}
    open_nodes: set[int] = set()

    def count(node: yaml.Node) -> int:
        if id(node) in open_nodes:
            line = node.start_mark.line + 1
            raise _BoundError(f"line {line}: an alias repeats what it stands in")
        if id(node) not in counts:
            open_nodes.add(id(node))
            counts[id(node)] = 1 + sum(count(child) for child in _children(node))
            open_nodes.remove(id(node))
        return counts[id(node)]

    if count(root) > _MOST_VALUES:
        raise yaml.MarkedYAMLError(
            problem=f"with its aliases it has more than {_MOST_VALUES:,} values",
            problem_mark=root.start_mark,
        )


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _problems(root: yaml.Node) -> Iterator[str]:
    """Yield what is wrong with single nodes, each looked at once, in the order of their lines."""
    seen: set[int] = set()
    waiting = [root]
    problems: list[tuple[int, str]] = []
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        problems += [(line, text) for line, text in _node_problems(node)]
        waiting += _children(node)
    for line, text in sorted(problems):
        yield f"line {line}: {text}"


def _node_problems(node: yaml.Node) -> Iterator[tuple[int, str]]:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        if node.tag in (_MERGE, _VALUE):
            return
        if node.tag not in _SCALARS:
            yield line, f"the tag {_tag(node)} is not known here"
        elif problem := _scalar_problem(node):
            yield line, problem
    elif node.tag not in _COLLECTIONS:
        yield line, f"the tag {_tag(node)} is not known here"
    if isinstance(node, yaml.MappingNode):
        yield from _key_problems(node)


def _scalar_problem(node: yaml.ScalarNode) -> str | None:
    if node.tag == f"{_TAG}str":
        return "a text has a null character" if "\0" in node.value else None
    try:
        value = _Loader("").construct_object(node)
    except (ValueError, OverflowError, KeyError, IndexError, AttributeError, yaml.YAMLError):
        return f"'{node.value[:60]}' is no {_KINDS.get(node.tag, 'such value')}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"'{node.value[:60]}' is no finite number"
    if isinstance(value, int) and value.bit_length() > _MOST_DIGITS * 3.32:
        return f"'{node.value[:60]}…' is too large a number"
    return None


def _key_problems(node: yaml.MappingNode) -> Iterator[tuple[int, str]]:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            yield line, "a key is a list or an object; keys are texts"
        elif key.value in lines and key.tag != _MERGE:
            yield line, f"key '{key.value}' stands here twice, first in line {lines[key.value]}"
        else:
            lines.setdefault(key.value, line)


def _tag(node: yaml.Node) -> str:
    return f"'{node.tag.replace(_TAG, '!!')[:60]}'"


def _reason(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        context = f"{error.context}: " if error.context else ""
        return f"line {error.problem_mark.line + 1}: {context}{error.problem}"
    return " ".join(str(error).split())
