"""A folder that cannot be used, told as the machine's trouble: full, read-only, or another user's."""

import errno
import tempfile
from pathlib import Path

from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.files.disk.full import as_system_error, folder_of, full_disk

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_NOT_A_FOLDER = (errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG)


def disk_trouble(
    error: OSError, folder: Path, *, next_step: str | None = None
) -> ToolchainError | None:
    """Return what to raise instead where a disk or its permissions are behind an error, else None.

    The error's own file tells where; `folder` is said where it names none. `next_step` is
    for a folder that may not be used and is not the store's.
    """
    error = as_system_error(error) or error
    where = folder_of(error) or folder
    if full := full_disk(error, where):
        return full
    if error.errno not in _REFUSED:
        return None
    return ToolchainError(
        f"may not be used ({error.strerror})",
        where=str(where),
        next_step=next_step
        or "have its owner let you read and write there, or name a store of your own: QUANTGATE_STORE",
    )


def require_writable(folder: Path) -> None:
    """Make a folder that is to be written to, and see that it can be.

    Raises:
        ToolchainError: it cannot be made, is no folder, is read-only, another user's, or its disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for inside in (folder, *(path for path in folder.iterdir() if path.is_dir())):
            with tempfile.NamedTemporaryFile(dir=inside, prefix=".writable-") as probe:
                probe.write(b"x" * 4096)  # a full disk takes empty files
    except OSError as error:
        trouble = disk_trouble(error, folder)
        if trouble is None and error.errno in _NOT_A_FOLDER:
            trouble = ToolchainError(
                f"is no folder ({error.strerror})",
                where=str(error.filename or folder),
                next_step="set QUANTGATE_STORE to a folder",
            )
        if trouble is None:
            raise
        raise trouble from error
