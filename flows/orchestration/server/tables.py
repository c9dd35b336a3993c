"""Prefect's tables in a new store: a copy of an empty database, which Prefect made once for its version.

`python -m …server.tables` makes that one ahead.
"""

import asyncio
import importlib.metadata
import importlib.util
import os
from pathlib import Path

from quantgate.pipelines.files.databases.empty import EmptyDatabase
from quantgate.pipelines.files.tool_cache import tool_cache

_DATABASE = "prefect.db"
"""How Prefect calls its database in PREFECT_HOME."""


def lay_tables(home: Path) -> bool:
    """Give a home without a database an empty one, and tell whether it got it; else Prefect makes its own."""
    return prefect_tables().lay(home / _DATABASE)


def prefect_tables() -> EmptyDatabase:
    """Return the empty database of the Prefect that is installed."""
    changes = prefect_package() / "server" / "database" / "_migrations" / "versions" / "sqlite"
    tool = f"prefect-{importlib.metadata.version('prefect')}"
    return EmptyDatabase.of(tool_cache(os.environ), tool, changes.glob("*.py"), _migrate)


def prefect_package() -> Path:
    """Return where Prefect is installed; it is not imported."""
    specification = importlib.util.find_spec("prefect")
    assert specification is not None and specification.origin is not None
    return Path(specification.origin).parent


def _migrate(database: Path) -> None:
    from prefect.server.database import provide_database_interface
    from prefect.server.database.configurations import AioSqliteConfiguration
    from prefect.server.database.dependencies import temporary_database_config

    configuration = AioSqliteConfiguration(connection_url=f"sqlite+aiosqlite:///{database}")
    with temporary_database_config(configuration):
        asyncio.run(provide_database_interface().create_db())


if __name__ == "__main__":
    prefect_tables().keep()
