"""Places whose disk may be full where an error names none: the store, temporary files, the working folder."""

import tempfile
from pathlib import Path

from quantgate.pipelines.domain.errors import QuantgateError
from quantgate.pipelines.files.disk.full import NEXT_TO_NOTHING_BYTES, free_bytes
from quantgate.pipelines.files.reading import is_folder
from quantgate.pipelines.files.store import open_store


def full_place(store: Path | None = None) -> Path | None:
    """Return the first of these places whose disk is full, None where none is.

    `store` is where the store lies, None: where QUANTGATE_STORE says.
    """
    places = (store or store_root(), temporary_place(), working_folder())
    return next((place for place in places if place and _is_full(place)), None)


def store_root() -> Path | None:
    """Return where the store lies, None where that cannot be said: the working directory may be gone."""
    try:
        return open_store().root
    except (QuantgateError, OSError, RuntimeError):  # RuntimeError: a loop of links (Python 3.11)
        return None


def temporary_place() -> Path | None:
    """Return where temporary files go, None where no folder takes any."""
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return None


def working_folder() -> Path | None:
    """Return the working directory, None where it is gone."""
    try:
        return Path.cwd()
    except OSError:
        return None


def _is_full(folder: Path) -> bool:
    there = next((each for each in (folder, *folder.parents) if is_folder(each)), folder)
    try:
        return free_bytes(there) < NEXT_TO_NOTHING_BYTES
    except OSError:
        return False
