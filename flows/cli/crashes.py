"""What the command line says where something fails that nobody thought of.

The traceback goes to a file in the store's logs, or in the system's temporary folder where there is no store.
"""

import errno
import os
import traceback
from datetime import UTC, datetime
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError, QuantgateError, ToolchainError
from quantgate.pipelines.domain.secrets import redacted
from quantgate.pipelines.files.disk.full import as_system_error, folder_of, full_disk
from quantgate.pipelines.files.disk.places import (
    full_place,
    store_root,
    temporary_place,
    working_folder,
)
from quantgate.pipelines.files.reading import is_folder

CRASHED = 1
"""The exit code of a fault in this program."""

_SHOWN_CHARACTERS = 200
_NEXT_STEPS = {
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM), "have its owner let you in, or name another place"
    ),
    errno.EROFS: "nothing can be written there: name another place",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOTDIR: "a part of the path is a file: check how it is spelled",
    errno.EMFILE: "let this process have more files open: ulimit -n 4096",
}
_LOOK = "see that it is there and can be read and written, then run the same command again"
_NO_TEMPORARY_FOLDER = "No usable temporary directory"
"""How what `tempfile` says begins where it can write nowhere."""
_LINK_LOOP = "Symlink loop from"
"""How `Path.resolve` begins its RuntimeError (Python 3.11)."""


class CrashError(QuantgateError):
    """A fault in this program; `log` holds its traceback."""

    exit_code = CRASHED


def failure_of(error: Exception, store: Path | None = None) -> QuantgateError:
    """Return what to tell of an error that ends a command; only faults of this program get a log.

    `store` is where the store lies, None: where QUANTGATE_STORE says. Nothing that it looks at is taken for
    granted: an error that came up here would reach the user as a traceback.
    """
    if isinstance(error, QuantgateError):
        return error
    if isinstance(error, MemoryError):
        return ToolchainError(
            "there is not enough memory",
            next_step="lower QUANTGATE_WORKERS, or use a machine with more",
        )
    if isinstance(error, ModuleNotFoundError) and error.name and _is_others(error.name):
        return ToolchainError(
            f"this needs the package {error.name.partition('.')[0]}, which is not installed",
            next_step="install what builds: pip install 'quantgate[build]' (what only judges transcripts: "
            "'quantgate[judge]')",
        )
    system = as_system_error(error)
    if system is not None and (refusal := _refused_by_the_system(system, store)):
        return refusal
    if isinstance(error, RuntimeError) and str(error).startswith(_LINK_LOOP):
        return InputError(
            str(error).replace(_LINK_LOOP, "a link leads back to itself:", 1),
            next_step="check how the path is spelled, and where its links lead",
        )
    return _fault(error, store or store_root())


def _refused_by_the_system(error: OSError, store: Path | None) -> QuantgateError | None:
    """Return what to tell of a full disk, or of a file that an error names."""
    if error.filename is None and str(error.strerror).startswith(_NO_TEMPORARY_FOLDER):
        return ToolchainError(
            "no folder takes temporary files: each is full or may not be written to",
            next_step="free some space there, or name another one: TMPDIR",
        )
    folder = folder_of(error) or full_place(store)
    if full := full_disk(error, folder or Path()):
        if folder is None:
            full.where = None  # the disk of a folder that nothing names
            full.next_step = "free some space where this command writes to, and run it again"
        return full
    if isinstance(error, FileNotFoundError) and error.filename is None and not working_folder():
        return InputError(
            "the working directory is gone", next_step="go to a folder that is there: cd PATH"
        )
    if error.filename is None or not error.strerror:
        return None
    where = str(error.filename)
    if error.errno == errno.ENAMETOOLONG:
        return InputError(
            "is longer than the system takes",
            where=f"{where[:_SHOWN_CHARACTERS]}…",
            next_step="name a shorter path",
        )
    return ToolchainError(
        f"cannot be used ({error.strerror})",
        where=where,
        next_step=_NEXT_STEPS.get(error.errno or 0, _LOOK),
    )


def _is_others(module: str) -> bool:
    return module.partition(".")[0] != "quantgate"


def _fault(error: Exception, store: Path | None) -> CrashError:
    said = " ".join(str(error).split())[:_SHOWN_CHARACTERS]
    what = type(error).__name__ + (f": {said}" if said else "")
    return CrashError(
        f"this is a fault of quantgate, not of yours ({what})",
        next_step="report it with the file below; the same command may go on where it stopped",
        log=_written(error, store / "logs" if store else None),
    )


def _written(error: Exception, logs: Path | None) -> Path | None:
    text = redacted("".join(traceback.format_exception(error)))
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    for folder in (logs, temporary_place()):
        if folder is None or not is_folder(folder):
            continue
        path = folder / f"crash-{moment}-{os.getpid()}.log"
        try:
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return path
    return None
