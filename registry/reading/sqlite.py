"""MLflow's SQLite file, opened to be read."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.registry.reading.tables import Rows

_WAIT_SECONDS = 2.0


@contextmanager
def sqlite_rows(database: Path, *, shown: str) -> Iterator[Rows]:
    """Yield the rows of a database file; `shown` is how the registry is named in errors.

    Raises:
        ServiceError: where it cannot be read: damaged, locked, or of another program.
    """

    def rows(query: str, *values: str | int) -> list[Any]:
        try:
            return tables.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise _unreadable(error, database, shown) from error

    try:
        opened = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=_WAIT_SECONDS)
    except (sqlite3.Error, ValueError) as error:
        raise _unreadable(error, database, shown) from error
    with closing(opened) as tables:
        yield rows


def _unreadable(error: Exception, database: Path, shown: str) -> ServiceError:
    return ServiceError(
        f"MLflow's database cannot be read ({error})",
        where=shown,
        next_step=f"look at {database} (damaged, locked, or of another program?)",
        transient="locked" in str(error),
    )
