"""What the command line says where something fails that nobody thought of.

The traceback goes to a file in the store's logs, or in the system's temporary folder where there is no store.
"""

import os
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError, QuantgateError, ToolchainError
from quantgate.pipelines.domain.secrets import redacted
from quantgate.pipelines.files.disk.full import full_disk
from quantgate.pipelines.files.disk.trouble import folder_of
from quantgate.pipelines.files.store import open_store

CRASHED = 1
"""The exit code of a fault in this program."""

_SHOWN_CHARACTERS = 200
_LINK_LOOP = "Symlink loop from"
"""How `Path.resolve` begins its RuntimeError (Python 3.11)."""


class CrashError(QuantgateError):
    """A fault in this program; `log` holds its traceback."""

    exit_code = CRASHED


def failure_of(error: Exception, store: Path | None = None) -> QuantgateError:
    """Return what to tell of an error that ends a command; only faults of this program get a log.

    `store` is where the store lies, None: where QUANTGATE_STORE says.
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
    if isinstance(error, OSError):
        if full := full_disk(error, folder_of(error) or store or open_store().root):
            return full
        if error.filename is not None and error.strerror:
            return ToolchainError(f"cannot be used ({error.strerror})", where=str(error.filename))
    if isinstance(error, RuntimeError) and str(error).startswith(_LINK_LOOP):
        return InputError(str(error).replace(_LINK_LOOP, "a link leads back to itself:", 1))
    return _fault(error, store or open_store().root)


def _is_others(module: str) -> bool:
    return module.partition(".")[0] != "quantgate"


def _fault(error: Exception, store: Path) -> CrashError:
    said = " ".join(str(error).split())[:_SHOWN_CHARACTERS]
    what = type(error).__name__ + (f": {said}" if said else "")
    return CrashError(
        f"this is a fault of quantgate, not of yours ({what})",
        next_step="report it with the file below; the same command may go on where it stopped",
        log=_written(error, store / "logs"),
    )


def _written(error: Exception, logs: Path) -> Path | None:
    text = redacted("".join(traceback.format_exception(error)))
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    for folder in (logs, Path(tempfile.gettempdir())):
        if not folder.is_dir():
            continue
        path = folder / f"crash-{moment}-{os.getpid()}.log"
        try:
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return path
    return None
