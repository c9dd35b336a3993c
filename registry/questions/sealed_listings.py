"""What a sealed folder says it holds, read as plain JSON.

Module `pipelines.files.sealed`, which checks it, takes longer to import than a look-up takes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.values import Digest, folder_digest
from quantgate.pipelines.files.store import MANIFEST


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedListing:
    """A sealed folder's files (sha256 by name) and the digest of its manifest, as that says them."""

    files: Mapping[str, str]
    manifest_digest: str

    @property
    def files_digest(self) -> Digest:
        """One digest over all files."""
        return folder_digest(self.files.items())


def sealed_listing(folder: Path) -> SealedListing | None:
    """Return what a folder's manifest says; None where there is none that can be read."""
    try:
        document = json.loads((folder / MANIFEST).read_bytes())
        return SealedListing(
            files={str(file["path"]): str(file["sha256"]) for file in document["files"]},
            manifest_digest=str(document["digest"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
