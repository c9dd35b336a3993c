"""Telling a full disk from other failures: it is the machine's trouble, not a tool's."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from quantgate.pipelines.domain.errors import InterruptionError, QuantgateError, ToolchainError
from quantgate.pipelines.files.reading import is_folder

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
AFTER_FULL_DISK = (
    "free some space there, or write to another disk (QUANTGATE_STORE is where the store lies, TMPDIR where "
    "temporary files do), and run the same command again"
)
_OF_A_WRITE = (*_NO_SPACE, errno.EROFS, errno.EIO)
NEXT_TO_NOTHING_BYTES = 1024 * 1024
"""A disk with less is full: what was to be written is gone again by the time somebody asks."""
_NOT_OF_THE_DISK = (ToolchainError, InterruptionError)
"""A tool that is missing says so itself, and an interruption has its own reason."""


def free_bytes(folder: Path) -> int:
    """Return what an ordinary user may still write to the disk that holds a folder."""
    return shutil.disk_usage(folder).free


@contextmanager
def written_at(path: Path, beside: Path | None = None) -> Iterator[None]:
    """Let an error of the disk that names no file name this one: what fails in a write names none.

    So does one that names `beside`, which nobody knows and is gone by then.
    """
    try:
        yield
    except OSError as error:
        if beside is not None and error.filename == str(beside):
            error.filename = str(path)
        if error.filename is None and error.errno in _OF_A_WRITE:
            error.filename = str(path)
        raise
    except sqlite3.Error as error:
        if system := as_system_error(error):
            raise OSError(system.errno, system.strerror, str(path)) from error
        raise


def folder_of(error: OSError) -> Path | None:
    """Return the folder of the file that an error names, None where it names none.

    One that copies names two, and no room is where it writes to. What may not be looked at, or is too long
    for the system, is taken for a file.
    """
    names = (error.filename2, error.filename) if error.errno in _NO_SPACE else (error.filename,)
    path = next((Path(name) for name in names if isinstance(name, str)), None)
    return path if path is None or is_folder(path) else path.parent


def as_system_error(error: BaseException) -> OSError | None:
    """Return the system's own error that is behind one, None where there is none.

    Copying a folder goes on after an error and raises all of them as text; SQLite tells a full disk in its
    own way.
    """
    if isinstance(error, shutil.Error):
        copies = [(str(target), str(reason)) for _, target, reason in error.args[0]]
        return next(
            (
                OSError(number, os.strerror(number), target)
                for target, reason in copies
                for number in (*_OF_A_WRITE, errno.EACCES, errno.EPERM)
                if f"[Errno {number}]" in reason
            ),
            None,
        )
    if isinstance(error, sqlite3.Error):
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if full else None
    return error if isinstance(error, OSError) else None


def full_disk(
    error: BaseException, folder: Path, free: Callable[[Path], int] = free_bytes
) -> ToolchainError | None:
    """Return the error to raise instead where a full disk is what is behind this one, else None.

    The error's own file tells where; `folder` is said where it names none, or one below it.

    The system says so itself, or (tools that write without Python say anything) a tool failed and the
    disk has next to nothing left: ask before the half-written files are removed.
    """
    where = folder
    if system := as_system_error(error):
        named = folder_of(system)
        where = named if named and not named.is_relative_to(folder) else folder
        if system.errno not in _NO_SPACE:
            return None
        reason, log = system.strerror, None
    elif isinstance(error, QuantgateError) and not isinstance(error, _NOT_OF_THE_DISK):
        if free(folder) >= NEXT_TO_NOTHING_BYTES:
            return None
        reason, log = error.what, error.log
    else:
        return None
    return ToolchainError(
        f"the disk is full ({reason})",
        where=str(where),
        next_step=AFTER_FULL_DISK,
        log=log,
    )
