"""docs/reference.md: every command and every key of the files that people write, from the code itself.

`python -m quantgate.flows.cli.reference.writing` (or `make schemas`) writes it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from quantgate.flows.cli.main import main
from quantgate.flows.cli.reference.variables import VARIABLES
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.specs.json_schemas import SCHEMAS

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "reference.md"
FILES = ("build", "suite", "item", "policy", "corpus", "recipe", "releases")
"""Schemas of files that are shown, in the order in which they are met."""

_COMMON = {"--help", "--quiet", "--verbose", "--store"}
"""Options that nearly every command has: said once."""

_HEAD = """# Reference

Made of the program itself (`make schemas`); a test holds it to that. `--help` says the same of each command,
`quantgate schema NAME` of each file. Every command also takes `--help`, `--quiet` (results, warnings and
errors only) and `--verbose`, and nearly all `--store PATH` (the store folder; else QUANTGATE_STORE, else the
nearest `.quantgate` upwards).
"""


_SETTINGS = "What differs between machines comes from the environment; no file of settings is read."


def reference_text() -> str:
    """Return the whole page."""
    parts = [_HEAD, "## Commands\n", *_commands(main, "quantgate"), "## Files\n"]
    for name in FILES:
        parts += _file(name)
    parts += ["## Settings\n", f"{_SETTINGS}\n", _variables()]
    return "\n".join(parts)


def _variables() -> str:
    rows = [(f"`{each.name}`", each.default, each.says) for each in VARIABLES]
    return _table(("environment variable", "where it is not set", "says"), rows)


def _commands(command: click.Command, path: str) -> Iterator[str]:
    """Yield a command, or each one of a group, by name."""
    context = click.Context(command, info_name=path)
    if isinstance(command, click.Group):
        for name in sorted(command.list_commands(context)):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from _commands(inner, f"{path} {name}")
        return
    arguments = " ".join(command.collect_usage_pieces(context))
    yield f"### {path}\n"
    yield f"`{path} {arguments}`\n"
    yield _paragraphs(command.help or command.short_help or "") + "\n"
    records = [
        each.get_help_record(context)
        for each in command.get_params(context)
        if _COMMON.isdisjoint(each.opts)
    ]
    rows = [(f"`{record[0]}`", record[1]) for record in records if record and record[1]]
    yield _table(("option", "does"), rows)


def _file(name: str) -> Iterator[str]:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    yield f"### {name}\n"
    yield _paragraphs(str(schema.get("description", ""))) + "\n"
    yield from _keys(schema)
    for kind, described in sorted(schema.get("$defs", {}).items()):
        if described.get("properties"):
            yield f"**{kind}** {_line(str(described.get('description', '')))}\n"
            yield from _keys(described)


def _keys(schema: Mapping[str, JsonValue]) -> Iterator[str]:
    properties, required = schema.get("properties"), schema.get("required") or []
    if not isinstance(properties, dict) or not isinstance(required, list):
        return
    rows = [
        (f"`{key}`{'' if key not in required else ' (needed)'}", _type(value), _says(value))
        for key, value in properties.items()
    ]
    yield _table(("key", "is", "says"), rows)


def _type(value: JsonValue) -> str:
    """Return what a key takes, in a word or a few."""
    if not isinstance(value, dict):
        return ""
    if isinstance(reference := value.get("$ref"), str):
        return reference.rpartition("/")[2]
    if isinstance(choices := value.get("enum"), list):
        return ", ".join(f"`{choice}`" for choice in choices)
    if "const" in value:
        return f"`{value['const']}`"
    several = value.get("anyOf") or value.get("oneOf")
    if isinstance(several, list):
        return " or ".join(
            dict.fromkeys(_type(each) for each in several if each != {"type": "null"})
        )
    kind = str(value.get("type", "anything"))
    if kind == "array" and isinstance(value.get("items"), dict):
        return f"list of {_type(value['items'])}"
    return kind


def _says(value: JsonValue) -> str:
    if not isinstance(value, dict):
        return ""
    said = _line(str(value.get("description", "")))
    default = value.get("default")
    return (
        said
        if default in (None, [], {}, "")
        else f"{said} Default: `{json.dumps(default)}`.".strip()
    )


def _table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table; nothing where it has no rows."""
    if not rows:
        return ""
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


def _line(text: str) -> str:
    return " ".join(text.split())


def _paragraphs(text: str) -> str:
    """Return click's paragraphs, each on a line; `\\b` marks those that it would not fill."""
    return "\n\n".join(_line(part.replace("\b", "")) for part in text.split("\n\n"))


if __name__ == "__main__":
    write_text(REFERENCE, reference_text())
