"""How aliases changed, as tags of the registered model: one for each change, none ever overwritten.

The key is `alias_change.<moment>.<alias>`, the text a JSON object of the change's fields. Whoever points an
alias elsewhere writes one; versions from before have none.
"""

import json
from collections.abc import Mapping
from dataclasses import fields

from quantgate.registry.protocol import AliasChange

PREFIX = "alias_change."
_FIELDS = tuple(field.name for field in fields(AliasChange))


def changes_of(tags: Mapping[str, str]) -> tuple[AliasChange, ...]:
    """Return the changes that a registered model's tags hold, oldest first; what is none is passed over."""
    read = (change_of(text) for key, text in tags.items() if key.startswith(PREFIX))
    return tuple(sorted((c for c in read if c is not None), key=lambda change: change.at))


def change_of(text: str) -> AliasChange | None:
    """Return the change that a tag's text holds; None where it holds none."""
    try:
        held = json.loads(text)
        return AliasChange(**{name: held[name] for name in _FIELDS})
    except (ValueError, KeyError, TypeError):
        return None
