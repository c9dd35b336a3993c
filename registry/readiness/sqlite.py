"""A SQLite file as a registry: can it be written, and has it the schema of the installed MLflow?"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from quantgate.pipelines.domain.errors import ServiceError, ToolchainError
from quantgate.registry.readiness.revisions import refuse_other_schema
from quantgate.registry.tracking import Tracking

_WAIT_SECONDS = 5.0


def check_sqlite(tracking: Tracking, database: Path) -> None:
    """Refuse a database file that could not be written, or is not this MLflow's.

    Raises:
        ServiceError: it is damaged, another program's, of another schema, or locked for seconds.
        ToolchainError: it, or its folder, may not be written.
    """
    folder = database.parent
    while not folder.exists():
        folder = folder.parent
    for path in (database, folder):
        if path.exists() and not os.access(path, os.W_OK):
            raise ToolchainError(
                "the registry's database may not be written",
                where=str(path),
                next_step="have its owner let you write it and its folder, or name another registry: "
                "MLFLOW_TRACKING_URI",
            )
    if not database.is_file():
        return
    try:
        with closing(sqlite3.connect(database, timeout=_WAIT_SECONDS)) as tables:
            tables.isolation_level = None
            tables.execute("BEGIN IMMEDIATE")
            tables.execute("ROLLBACK")
            named = tables.execute(
                "SELECT count(*) FROM sqlite_master WHERE name IN ('alembic_version', 'experiments')"
            ).fetchone()
            revisions = (
                tables.execute("SELECT version_num FROM alembic_version") if named[0] else []
            )
            revisions_held = [str(revision) for (revision,) in revisions]
    except sqlite3.Error as error:
        raise ServiceError(
            f"the registry's database cannot be used ({error})",
            where=tracking.shown,
            next_step=f"look at {database} (damaged, locked, or of another program?)",
            transient="locked" in str(error),
        ) from error
    for revision in revisions_held:
        refuse_other_schema(revision, where=tracking.shown, uri=tracking.shown)
