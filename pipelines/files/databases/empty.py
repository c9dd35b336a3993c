"""Empty SQLite databases with a tool's tables: made once for a version by the tool itself, then copied.

Tools make their tables by going through every change that they ever had (more than a hundred), which
takes seconds a database. One that was made so and never used lies sealed in the tool cache; its name holds
the tool's version and a digest of these changes.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError, InterruptionError, QuantgateError
from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.files.sealed import (
    is_sealed,
    put_in_place,
    read_manifest,
    seal,
    verify,
)

_FOLDER, _FILE = "databases", "empty.db"
_DIGEST_DIGITS = 12
_BESIDE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyDatabase:
    """What is made once: by `make`, which fills a file that is not there yet, in a tool's present version."""

    folder: Path
    make: Callable[[Path], None]

    @classmethod
    def of(
        cls, cache: Path, tool: str, changes: Iterable[Path], make: Callable[[Path], None]
    ) -> "EmptyDatabase":
        """Name a tool (with its version) and the files that change its tables, which lie below `cache`."""
        digest = sha256(sqlite3.sqlite_version.encode())
        for path in sorted(changes):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        name = f"{tool}-{digest.hexdigest()[:_DIGEST_DIGITS]}"
        return cls(folder=cache / _FOLDER / name, make=make)

    def lay(self, place: Path) -> bool:
        """Copy it to `place` unless something is there, and tell whether it was copied; first it may be made.

        The caller keeps others from doing the same. Where there is no room for it, or the cache cannot be
        written, nothing is left: the tool makes its tables itself, as ever.

        Raises:
            InterruptionError: the program is being ended while this waits for another to make it.
        """
        if place.exists():
            return False
        part = place.with_name(f".{place.name}.part")
        try:
            self.keep()
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.folder / _FILE, part)
            _sync(part)
            for suffix in _BESIDE:  # of a file that is gone: SQLite would play it into this one
                place.with_name(place.name + suffix).unlink(missing_ok=True)
            part.rename(place)
        except InterruptionError:
            raise
        except (OSError, QuantgateError):
            with suppress(OSError):
                part.unlink(missing_ok=True)
            return False
        return True

    def keep(self) -> None:
        """Make it unless it lies in the cache whole.

        Raises:
            OSError: the cache cannot be written.
            InterruptionError: the program is being ended while this waits for another to make it.
        """
        if self._is_whole():  # also in another's cache, which may only be read
            return
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(self.folder.with_name(f".{self.folder.name}.lock")):
            if self._is_whole():
                return
            staging = self.folder.with_name(f".{self.folder.name}.making")
            for leftover in (staging, self.folder):
                shutil.rmtree(leftover, ignore_errors=True)
            staging.mkdir()
            try:
                self._fill(staging)
                seal(staging, self.folder.name)
                put_in_place(staging, self.folder)
            finally:
                shutil.rmtree(staging, ignore_errors=True)

    def _is_whole(self) -> bool:
        if not is_sealed(self.folder):
            return False
        try:
            verify(self.folder, read_manifest(self.folder, str))
        except InputError:
            return False
        return True

    def _fill(self, staging: Path) -> None:
        """Make it beside its place: what a tool leaves open, or writes later, is not in the copy."""
        made = staging / "made" / _FILE
        made.parent.mkdir()
        self.make(made)
        with closing(sqlite3.connect(made)) as connection:
            connection.execute("VACUUM INTO ?", (str(staging / _FILE),))
        shutil.rmtree(made.parent)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
