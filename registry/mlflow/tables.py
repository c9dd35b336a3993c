"""MLflow's tables in a new SQLite database: a copy of an empty one, which MLflow made once for its version.

`python -m quantgate.registry.mlflow.tables` makes that one ahead.
"""

import importlib.metadata
import importlib.util
from pathlib import Path

from quantgate.pipelines.files.databases.empty import EmptyDatabase
from quantgate.pipelines.files.tool_cache import tool_cache


def lay_tables(database: Path) -> bool:
    """Give a place without a database an empty one, and tell whether it got it; else MLflow makes its own."""
    return mlflow_tables().lay(database)


def mlflow_tables() -> EmptyDatabase:
    """Return the empty database of the MLflow that is installed."""
    specification = importlib.util.find_spec("mlflow")
    assert specification is not None and specification.origin is not None
    changes = Path(specification.origin).parent / "store" / "db_migrations" / "versions"
    tool = f"mlflow-{importlib.metadata.version('mlflow')}"
    return EmptyDatabase.of(tool_cache(), tool, changes.glob("*.py"), _migrate)


def _migrate(database: Path) -> None:
    """Do what MLflow does with a database that has no tables, and no more: experiments know their folder."""
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine

    engine = create_sqlalchemy_engine(f"sqlite:///{database}")
    try:
        _initialize_tables(engine)
    finally:
        engine.dispose()


if __name__ == "__main__":
    mlflow_tables().keep()
