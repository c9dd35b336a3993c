"""The SQLite database behind a registry: opened by one program at a time, its disk told when it is full."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.files.locks import exclusive

_FULL = ("database or disk is full", "no space left")
_REFUSED = (
    "readonly database",
    "unable to open database file",
    "permission denied",
    "read-only file",
)


@contextmanager
def opened_alone(database: Path | None) -> Iterator[None]:
    """Keep other programs, whatever their stores, from opening this database until the block ends.

    Who opens it first makes its tables, in many steps that two at once would break for each other. One in a
    folder that cannot be written to is only read, and has its tables.
    """
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(database.parent, os.W_OK):
        yield
        return
    with exclusive(database.with_name(f".{database.name}.lock")):
        yield


def database_trouble(error: Exception, database: Path | None) -> ToolchainError | None:
    """Return what to raise instead where the database's disk or permissions are behind an error, else None.

    SQLite's words are those of https://www.sqlite.org/rescode.html (SQLITE_FULL, READONLY, CANTOPEN).
    """
    if database is None:
        return None
    words = str(error).lower()
    if any(phrase in words for phrase in _FULL):
        return ToolchainError(
            "the disk is full (the registry's database cannot grow)",
            where=str(database.parent),
            next_step="free some space there, and run the same command again",
        )
    if any(phrase in words for phrase in _REFUSED):
        return ToolchainError(
            "the registry's database may not be written",
            where=str(database),
            next_step="have its owner let you write it and its folder, or name another registry: "
            "MLFLOW_TRACKING_URI",
        )
    return None
