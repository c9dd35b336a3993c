"""The name and version of what a command prints as JSON: `quantgate.<command>/<version>`, under `schema`.

Keys are only ever added within one version. Where one is renamed, removed or means something else,
`_VERSIONS` gets the command's next number.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import click

_VERSIONS: Mapping[str, int] = {}
"""Commands whose JSON changed incompatibly since it was first published."""


def versioned(value: object) -> object:
    """Return an object, or a noun's fields, after the schema of the command that is running.

    What says its schema itself keeps it; where no command runs, and of anything else, nothing changes.
    """
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    schema = _schema()
    if schema is None or not isinstance(value, Mapping):
        return value
    return {"schema": schema, **value}


def _schema() -> str | None:
    context = click.get_current_context(silent=True)
    if context is None:
        return None
    names = list[str]()
    while context is not None and context.parent is not None:
        names.insert(0, context.info_name or "")
        context = context.parent
    name = "-".join(names)
    return f"quantgate.{name}/{_VERSIONS.get(name, 1)}"
