"""What the command line says where something fails that nobody thought of.

The traceback goes to a file in the store's logs, or in the system's temporary folder where there is no store.
"""

import errno
import os
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError, QuantgateError, ToolchainError
from quantgate.pipelines.domain.secrets import redacted
from quantgate.pipelines.files.disk.full import free_bytes, full_disk
from quantgate.pipelines.files.disk.trouble import folder_of
from quantgate.pipelines.files.reading import is_folder
from quantgate.pipelines.files.store import open_store

CRASHED = 1
"""The exit code of a fault in this program."""

_SHOWN_CHARACTERS = 200
_NEXT_TO_NOTHING_BYTES = 1 << 20
_NEXT_STEPS = dict.fromkeys(
    (errno.EACCES, errno.EPERM), "have its owner let you in, or name another place"
)
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
    if isinstance(error, OSError) and (refusal := _refused_by_the_system(error, store)):
        return refusal
    if isinstance(error, RuntimeError) and str(error).startswith(_LINK_LOOP):
        return InputError(
            str(error).replace(_LINK_LOOP, "a link leads back to itself:", 1),
            next_step="check how the path is spelled, and where its links lead",
        )
    return _fault(error, store or _store_root())


def _store_root() -> Path | None:
    """Return where the store lies, None where that cannot be said: the working directory may be gone."""
    try:
        return open_store().root
    except (QuantgateError, OSError, RuntimeError):  # RuntimeError: a loop of links (Python 3.11)
        return None


def _refused_by_the_system(error: OSError, store: Path | None) -> QuantgateError | None:
    """Return what to tell of a full disk, or of a file that an error names."""
    folder = folder_of(error) or store or _store_root() or Path(tempfile.gettempdir())
    if full := full_disk(error, folder):
        if error.filename is None and not _is_full(folder):
            full.where = None  # the disk of another folder, which the error does not name
            full.next_step = "free some space where this command writes to, and run it again"
        return full
    if isinstance(error, FileNotFoundError) and error.filename is None and not _works_in_a_folder():
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
        next_step=_NEXT_STEPS.get(error.errno or 0),
    )


def _is_others(module: str) -> bool:
    return module.partition(".")[0] != "quantgate"


def _is_full(folder: Path) -> bool:
    there = next((each for each in (folder, *folder.parents) if is_folder(each)), folder)
    try:
        return free_bytes(there) < _NEXT_TO_NOTHING_BYTES
    except OSError:
        return False


def _works_in_a_folder() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


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
    for folder in (logs, Path(tempfile.gettempdir())):
        if folder is None or not is_folder(folder):
            continue
        path = folder / f"crash-{moment}-{os.getpid()}.log"
        try:
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return path
    return None
