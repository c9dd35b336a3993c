"""Temporary folders that never outlive a killed program for long: whoever runs next clears them.

A folder's owner holds a lock on a file in it, which the kernel frees when the owner dies, however it dies and
in whatever container: a lock that can be had means that nobody works there any more. Staging folders of the
store (`pipelines.files.sealed`) are told from live ones by the lock of what they were to become, files that
have not got their names yet by their writer's lock on themselves.
"""

import fcntl
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from quantgate.pipelines.files.disk.full import written_at
from quantgate.pipelines.files.locks import unless_held

PREFIX = "quantgate-"
HALF_WRITTEN = ".writing-"
"""How the names of files begin that are not whole yet."""
_OURS = re.compile(r"quantgate-(unsandboxed-)?[a-z0-9_]{8}")
"""What `tempfile` makes of names that begin so; folders that people call alike are theirs."""
_OWNER = ".owner"
_CONTENT = "content"
_STAGING = re.compile(r"\.(?P<name>.+)\.staging-[0-9a-f]{8}")
_OPEN_DEPTH = 4
_FORGOTTEN_SECONDS = 24 * 3600.0
"""After how long a folder without an owner's file (made by a sandbox, or by an older version) is cleared."""


@contextmanager
def temporary_folder(within: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder that is removed when the block ends, or by the next run after a kill."""
    while True:
        with tempfile.TemporaryDirectory(
            prefix=PREFIX, dir=within, ignore_cleanup_errors=True
        ) as name:
            owner = Path(name) / _OWNER
            with owner.open("w") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                if not owner.exists():
                    continue  # it was cleared between its making and the lock
                content = Path(name) / _CONTENT
                content.mkdir()
                yield content
                return


def clear_temporary(within: Path | None = None) -> int:
    """Remove temporary folders of programs that died; return how many. Live ones and other users' stay."""
    cleared = 0
    for folder in (within or Path(tempfile.gettempdir())).glob(f"{PREFIX}*"):
        with suppress(OSError):  # somebody else clears it too
            if _is_ours(folder) and _is_left(folder):
                cleared += _removed(folder)
    return cleared


def is_temporary(path: Path) -> bool:
    """Whether a path lies in a folder of this program that goes with its owner, or has gone."""
    place = Path(tempfile.gettempdir())
    if not path.is_relative_to(place) or path == place:
        return False
    folder = place / path.relative_to(place).parts[0]
    return _OURS.fullmatch(folder.name) is not None and (
        not folder.exists() or (folder / _OWNER).exists()
    )


def clear_unfinished(store: Path) -> int:
    """Remove what dead makers left in a store, staging folders and files without names; return how many."""
    cleared = 0
    for folder in tuple(_open_folders(store)):
        cleared += clear_half_written(folder)
        for staging, name in _staged(folder):
            with suppress(OSError), unless_held(folder / f".{name}.lock") as free:
                if free:
                    shutil.rmtree(staging, ignore_errors=True)
                    cleared += 1
    return cleared


@contextmanager
def half_written(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Yield a new file in a folder, open and locked; it goes unless it gets another name in the block."""
    while True:
        path = folder / f"{HALF_WRITTEN}{uuid.uuid4().hex}"
        try:
            with written_at(folder, beside=path), path.open("xb") as file:
                with suppress(OSError):  # there are file systems without locks
                    fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file.fileno()).st_nlink:  # else it was cleared before it was locked
                    yield path, file
                    return
        finally:
            path.unlink(missing_ok=True)


def clear_half_written(folder: Path, oldest_seconds: float = 0.0) -> int:
    """Remove what killed writers left in a folder; return how many files.

    Only what nobody has written to for `oldest_seconds`, by the clock of the file system, goes: where locks
    hold on one host alone, a file of another host looks as if its writer were dead.
    """
    cleared = 0
    left = [path for path in _entries(folder) if path.name.startswith(HALF_WRITTEN)]
    if not left:
        return 0
    with half_written(folder) as (mine, _):
        now = mine.stat().st_mtime
    for path in left:
        # Its writer ended just now, or lives. NFS locks a file for one alone only if it is open for writing.
        with suppress(OSError), path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if now - os.fstat(file.fileno()).st_mtime >= oldest_seconds:
                path.unlink()
                cleared += 1
    return cleared


def _removed(folder: Path) -> bool:
    """Remove a folder, its owner's file last, and return whether it is gone.

    Something that was killed with its owner may still write into it: then the next run finds it as left.
    """
    content = folder / _CONTENT
    shutil.rmtree(content, ignore_errors=True)
    if content.exists():
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _is_ours(folder: Path) -> bool:
    """Whether this user's program made it: nobody else may enter what `tempfile` makes."""
    if _OURS.fullmatch(folder.name) is None or folder.is_symlink() or not folder.is_dir():
        return False
    made = folder.stat()
    return made.st_uid == os.geteuid() and not made.st_mode & 0o077


def _is_left(folder: Path) -> bool:
    owner = folder / _OWNER
    if not owner.exists():
        return time.time() - folder.stat().st_mtime > _FORGOTTEN_SECONDS  # noqa: TID251 - files bear the time of day
    with unless_held(owner) as free:
        return free


def _staged(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield staging folders in a folder with the names of what they were to become."""
    for path in _entries(folder):
        staging = _STAGING.fullmatch(path.name)
        if staging and path.is_dir() and not path.is_symlink():
            yield path, staging["name"]


def _open_folders(folder: Path, depth: int = 1) -> Iterator[Path]:
    """Yield the folders of a store in which something may be under way, itself first; no sealed ones."""
    if not folder.is_dir() or (folder / "manifest.json").exists():
        return
    yield folder
    if depth < _OPEN_DEPTH:
        for below in _entries(folder):
            if not below.is_symlink() and not _STAGING.fullmatch(below.name):
                yield from _open_folders(below, depth + 1)


def _entries(folder: Path) -> tuple[Path, ...]:
    """Return what is in a folder, nothing of one that was removed just now."""
    with suppress(FileNotFoundError):
        return tuple(folder.iterdir())
    return ()
