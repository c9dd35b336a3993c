"""Telling a full disk from other failures: it is the machine's trouble, not a tool's."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

from quantgate.pipelines.domain.errors import InterruptionError, QuantgateError, ToolchainError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NEXT_TO_NOTHING_BYTES = 1024 * 1024
_NOT_OF_THE_DISK = (ToolchainError, InterruptionError)
"""A tool that is missing says so itself, and an interruption has its own reason."""


def free_bytes(folder: Path) -> int:
    """Return what an ordinary user may still write to the disk that holds a folder."""
    return shutil.disk_usage(folder).free


def full_disk(
    error: BaseException, folder: Path, free: Callable[[Path], int] = free_bytes
) -> ToolchainError | None:
    """Return the error to raise instead where a full disk is what is behind this one, else None.

    The system says so itself, or (tools that write without Python say anything) a tool failed and the
    disk has next to nothing left: ask before the half-written files are removed.
    """
    if isinstance(error, OSError):
        if error.errno not in _NO_SPACE:
            return None
        reason, log = error.strerror, None
    elif isinstance(error, QuantgateError) and not isinstance(error, _NOT_OF_THE_DISK):
        if free(folder) >= _NEXT_TO_NOTHING_BYTES:
            return None
        reason, log = error.what, error.log
    else:
        return None
    return ToolchainError(
        f"the disk is full ({reason})",
        where=str(folder),
        next_step="free some space, or set QUANTGATE_STORE to another disk, and run the same command again",
        log=log,
    )
