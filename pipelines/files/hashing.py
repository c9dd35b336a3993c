"""Digests of files: streamed, and remembered for large files by path, size and modification time."""

import hashlib
import json
import sys
from pathlib import Path

from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.records import write_text

_WINDOW_BYTES = 1 << 20
"""Read into again and again: it stays in the processor's cache, as a new buffer each time does not."""
_REMEMBERED_FROM_BYTES = 1 << 20
LOOKED_AT = "quantgate.looked_at"
"""The audit event of a file whose content counts, and which nobody opens where its digest is remembered."""
OTHERS_ASKED = "quantgate.others_asked"
"""The audit event of an answer that a child process gave, now or before in this process."""


def look_at(path: Path) -> None:
    """Tell whoever listens that a file's content counts, read or remembered."""
    sys.audit(LOOKED_AT, str(path))


def tell_asked(what: str) -> None:
    """Tell whoever listens that what a child process said counts, asked or remembered."""
    sys.audit(OTHERS_ASKED, what)


def file_digest(path: Path) -> Digest:
    """Return the sha256 of a file's bytes."""
    sha = hashlib.sha256()
    window = memoryview(bytearray(_WINDOW_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(window):
            sha.update(window[:count])
    return Digest(sha.hexdigest())


class DigestMemory:
    """Digests of large files, hashed once and remembered in `file` by path, size and mtime."""

    def __init__(self, file: Path) -> None:
        """Read what is remembered; an unreadable memory is an empty one."""
        self._file = file
        self._digests: dict[str, str] = {}
        try:
            loaded = json.loads(file.read_text())
        except (OSError, ValueError):
            return
        if isinstance(loaded, dict):
            self._digests = loaded

    def digest(self, path: Path) -> Digest:
        """Return the sha256 of a file, hashing it only when it is small, new or changed."""
        look_at(path)
        stat = path.stat()
        if stat.st_size < _REMEMBERED_FROM_BYTES:
            return file_digest(path)
        key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
        if key not in self._digests:
            self._digests[key] = file_digest(path)
            write_text(self._file, json.dumps(self._digests, indent=0, sort_keys=True))
        return Digest(self._digests[key])
