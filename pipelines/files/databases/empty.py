"""Empty SQLite databases with a tool's tables: made once for a version by the tool itself, then copied.

Tools make their tables by going through every change that they ever had (more than a hundred), which
takes seconds a database. One that was made so and never used lies sealed in the tool cache; its name holds
the tool's version and a digest of these changes.
"""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from typing_extensions import override

from quantgate.pipelines.domain.errors import InputError, InterruptionError
from quantgate.pipelines.files.interruption import INTERRUPTION, Interruption
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
_LONGEST_WAIT_SECONDS = 60.0
"""Making one takes some seconds; whoever takes longer may have been stopped."""


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

        Where it cannot be made (there is no room, the cache cannot be written, whoever makes it does not get
        on, the tool itself fails), nothing is left: the tool makes its tables where it wants them, as ever.
        A database that somebody else makes meanwhile stays.

        Raises:
            InterruptionError: the program is being ended while this waits for another to make it.
        """
        place = place.resolve()  # a link to what is not there yet
        if place.exists():
            return False
        part = place.with_name(f".{place.name}.part")
        try:
            self.keep(_Limit(_LONGEST_WAIT_SECONDS))
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.folder / _FILE, part)
            _sync(part)
            if not place.exists():
                for suffix in _BESIDE:  # of a file that is gone: SQLite would play it into this one
                    place.with_name(place.name + suffix).unlink(missing_ok=True)
            os.link(part, place)  # unlike a new name, it takes no other's place
        except InterruptionError:
            raise
        except Exception:  # noqa: BLE001 - SQLite's errors, SQLAlchemy's, the tool's own
            return False
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        return True

    def keep(self, interruption: Interruption = INTERRUPTION) -> None:
        """Make it unless it lies in the cache whole, which may be one that can be read alone.

        Raises:
            OSError: the cache cannot be written.
            InterruptionError: the program is being ended while this waits for another to make it.
        """
        if self._is_whole():
            return
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        lock = self.folder.with_name(f".{self.folder.name}.lock")
        with exclusive(lock, interruption=interruption):
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


class _Limit(Interruption):
    """This program's end, or that of its patience."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._deadline = time.monotonic() + seconds

    @override
    def check(self, where: str | None = None) -> None:
        """Go on while nobody asked for the end and there is time.

        Raises:
            InterruptionError: somebody did.
            TimeoutError: there is none left.
        """
        INTERRUPTION.check(where)
        if time.monotonic() > self._deadline:
            raise TimeoutError(where)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
