"""Temporary folders that never outlive a killed program for long: whoever runs next clears them.

A folder's owner holds a lock on a file in it, which the kernel frees when the owner dies, however it dies and
in whatever container: a lock that can be had means that nobody works there any more. Staging folders of the
store (`pipelines.files.sealed`) are told from live ones by the lock of what they were to become.
"""

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from quantgate.pipelines.files.locks import unless_held

PREFIX = "quantgate-"
_OWNER = ".owner"
_CONTENT = "content"
_STAGING = re.compile(r"\.(?P<name>.+)\.staging-[0-9a-f]{8}")
_STAGING_DEPTH = 3
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
            if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != os.geteuid():
                continue
            if _is_left(folder):
                cleared += _removed(folder)
    return cleared


def clear_staging(store: Path) -> int:
    """Remove staging folders of a store whose makers died; return how many."""
    cleared = 0
    for staging, name in tuple(_staged(store)):
        with suppress(OSError), unless_held(staging.parent / f".{name}.lock") as free:
            if free:
                shutil.rmtree(staging, ignore_errors=True)
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


def _is_left(folder: Path) -> bool:
    owner = folder / _OWNER
    if not owner.exists():
        return time.time() - folder.stat().st_mtime > _FORGOTTEN_SECONDS  # noqa: TID251 - files bear the time of day
    with unless_held(owner) as free:
        return free


def _staged(folder: Path, depth: int = 1) -> Iterator[tuple[Path, str]]:
    """Yield staging folders with the names of what they were to become; sealed folders hold none."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if not path.is_dir() or path.is_symlink():
            continue
        if staging := _STAGING.fullmatch(path.name):
            yield path, staging["name"]
        elif depth < _STAGING_DEPTH and not (path / "manifest.json").exists():
            yield from _staged(path, depth + 1)
