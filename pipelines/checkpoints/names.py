"""What checkpoints are called: after folders, files and repositories, in words that a registry takes."""

import hashlib
import re
import unicodedata
from pathlib import Path

_CACHED = "models--"
OWNER_MARK = "--"
"""Stands between a repository's owner and its name: MLflow takes no slash in the name of a model."""
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def folder_name(folder: Path) -> str:
    """Return the folder's name; a revision in the hub's own cache is called as its repository is.

    Layout: huggingface_hub, "Understand caching": `models--ORG--NAME/snapshots/REVISION`.
    """
    repository = folder.parent.parent.name
    if folder.parent.name == "snapshots" and repository.startswith(_CACHED):
        return repository.removeprefix(_CACHED)
    return folder.name


def registrable_name(name: str) -> str:
    """MLflow refuses slashes and colons in model names, and names that begin as a path upwards.

    Letters of other scripts do not go into file names and addresses everywhere. Where a name loses some, it
    ends in a digest of all of it, so that two names stay two names.
    """
    kept = _NOT_IN_A_NAME.sub("-", name).strip("-.") or "model"
    lost = any(not letter.isascii() and letter.isalnum() for letter in name)
    digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode("utf-8", "backslashreplace"))
    return f"{kept}-{digest.hexdigest()[:8]}" if lost else kept
