"""Fetching one file: cloned where the file system can, else read from where an earlier try stopped.

What is here is hashed as well as what comes, and the whole compared: no byte is taken for granted.
"""

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.interruption import INTERRUPTION
from quantgate.pipelines.files.sealed import SealedFile
from quantgate.registry.file_places import FilePlace

OnBytes = Callable[[int], None]
"""Told how many more bytes are here and hashed."""

_FICLONE = 0x40049409
"""Linux's request to share a file's blocks, https://man7.org/linux/man-pages/man2/ioctl_ficlonerange.2.html."""
_WINDOW_BYTES = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """Files of one version, from a place into a folder. `uri` names the version in errors."""

    place: FilePlace
    folder: Path
    uri: str
    on_bytes: OnBytes

    def file(self, file: SealedFile) -> None:
        """Have a file complete and verified in the folder.

        Raises:
            InputError: the place does not have it, or has something else than was registered.
            ServiceError: the place does not answer; what came is kept for the next try.
            OSError: the folder cannot be written to, or its disk is full.
        """
        path = self.folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > file.size_bytes:
            path.unlink()
        if not path.exists():
            self._clone(file, path)
        if self._completed(file, path):
            return
        if self._completed(
            file, path
        ):  # what an earlier try, or another program, left was not its beginning
            return
        raise InputError(
            f"{file.path} is not what was registered",
            where=self.uri,
            next_step="run the same build again, or have the place of the files repaired",
        )

    def _clone(self, file: SealedFile, path: Path) -> None:
        """Share the blocks of a file on the same file system; where that cannot be, leave nothing."""
        if self.place.folder is None:
            return
        try:
            with (self.place.folder / file.path).open("rb") as source, path.open("wb") as target:
                fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
        except OSError:
            path.unlink(missing_ok=True)

    def _completed(self, file: SealedFile, path: Path) -> bool:
        """Hash what is here, read and hash the rest; where the sum is another one, remove the file."""
        sha, counted = sha256(), 0
        with path.open("a+b") as target:
            target.seek(0)
            while piece := target.read(_WINDOW_BYTES):
                sha.update(piece)
                counted += len(piece)
                self._count(len(piece))
            if counted < file.size_bytes:
                for piece in self.place.read(file.path, counted):
                    target.write(piece)
                    sha.update(piece)
                    counted += len(piece)
                    self._count(len(piece))
                    if counted > file.size_bytes:
                        break
            target.flush()
            os.fsync(target.fileno())
        if counted == file.size_bytes and sha.hexdigest() == file.sha256:
            return True
        path.unlink()
        self.on_bytes(-counted)
        return False

    def _count(self, count: int) -> None:
        INTERRUPTION.check(where=self.uri)
        self.on_bytes(count)
