"""What SQLite databases hold."""

import sqlite3
from contextlib import closing
from pathlib import Path


def rows_of(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of every table that has any."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        rows = {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for (name,) in names}
    return {name: held for name, held in rows.items() if held}
