"""Files of others taken into the store: the original is only ever read, and every byte is compared.

A copy that shares its blocks with the original until one of them is written to costs no space, where the file
system can do that (Btrfs, XFS; `FICLONE` in linux/fs.h). A second name for the same file (a hard link) would
cost none anywhere, but whoever edits the original in place would edit the variant too: it is made of sealed
folders alone, whose files nobody edits. Elsewhere bytes are copied.
"""

import fcntl
import hashlib
from pathlib import Path
from typing import BinaryIO

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.foreign import ForeignFile
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.sealed import is_sealed

_FICLONE = 0x40049409
_CHUNK_BYTES = 1 << 22


def take(file: ForeignFile, target: Path) -> None:
    """Make `target` hold the bytes of a file, which have to be those that were planned.

    Raises:
        CheckpointError: where the file is gone, or was changed since.
    """
    if not file.path.is_file():
        raise CheckpointError(
            "is not there any more", where=str(file.path), next_step="put it back, or leave it out"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = _linked(file.path, target) or _copied(file.path, target)
    if digest != file.sha256:
        raise CheckpointError(
            f"has other bytes than when this was planned (sha256 {digest[:16]}…, not "
            f"{file.sha256[:16]}…)",
            where=str(file.path),
            next_step="run the same command again once nobody writes to it",
        )


def _linked(source: Path, target: Path) -> str | None:
    """Give a sealed file a second name and return its digest; None where that cannot be.

    Files of variants stand a folder below what is sealed, those of downloads in it.
    """
    sealed = is_sealed(source.parent) or is_sealed(source.parent.parent)
    if not sealed or source.is_symlink():
        return None
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, or one without links
        return None
    return file_digest(target)


def _copied(source: Path, target: Path) -> str:
    with source.open("rb") as original, target.open("wb") as copy:
        if not _cloned(original, copy):
            sha = hashlib.sha256()
            while chunk := original.read(_CHUNK_BYTES):
                sha.update(chunk)
                copy.write(chunk)
            return sha.hexdigest()
    return file_digest(target)


def _cloned(original: BinaryIO, copy: BinaryIO) -> bool:
    try:
        fcntl.ioctl(copy.fileno(), _FICLONE, original.fileno())
    except OSError:
        return False
    return True
