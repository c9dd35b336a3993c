"""Which schemas of MLflow's database are read here; every other one is left to MLflow itself."""

from pathlib import Path

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.registry.reading.tables import Rows, TablesReader

_REVISION = "SELECT version_num FROM alembic_version"
_NO_TABLE = ("no such table", 'relation "alembic_version" does not exist')

KNOWN_REVISIONS = frozenset(
    {
        "7d34483879f0",  # the first with an index of a version's tags
        "da6fb0208061",
        "89d3d66ed43f",
        "b7e4c1a90f23",
        "a8b9c0d1e2f3",
        "c1d2e3f4a5b6",
        "c3d9e7f1a2b4",
        "6f8d9c3b2a1e",
        "1971f2d9a75b",
        "17e22815139b",
        "b7e2c1a4d9f3",
        "75868b020152",
        "dc11669786a5",  # MLflow 3.17
    }
)
"""Revisions in table `alembic_version` whose tables and keys are those that `tables.py` goes by.

Source: `mlflow/store/db_migrations/versions`; none of these migrations changes a table that is read here.
"""


def tables_reader(rows: Rows, artifact_root: Path | None) -> TablesReader | None:
    """Return the reader of an open database; None where its schema is another one, or has no tables yet.

    Raises:
        ServiceError: where the database cannot be read.
    """
    try:
        revisions = rows(_REVISION)
    except ServiceError as error:
        if any(words in error.what for words in _NO_TABLE):
            return None
        raise
    if KNOWN_REVISIONS.isdisjoint(name for (name,) in revisions):
        return None
    return TablesReader(rows, artifact_root)
