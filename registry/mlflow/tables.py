"""MLflow's own SQLite tables (as of MLflow 3.17), read-only: the one place that knows them.

Importing MLflow takes ten times as long as all else that a finished build does, and whether it is finished is
asked before anything else. A schema that differs proves nothing.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from typing_extensions import override

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.registry.protocol import RegistryReader

_TIMEOUT_SECONDS = 2.0
_RUN_TAGS = """
    SELECT tags.key, tags.value FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid
    WHERE runs.run_uuid = ? AND lifecycle_stage = 'active' AND status = 'FINISHED'
"""
_VERSION_TAGS = """
    SELECT tag.key, tag.value FROM model_versions AS version
    JOIN model_version_tags AS tag ON tag.name = version.name AND tag.version = version.version
    WHERE version.name = ? AND version.version = ? AND current_stage != 'Deleted_Internal'
"""
_ALIAS = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"
_FIRST_CONTENT = """
    SELECT content.value FROM runs
    JOIN tags AS suite ON suite.run_uuid = runs.run_uuid AND suite.key = 'suite'
    JOIN tags AS content ON content.run_uuid = runs.run_uuid AND content.key = 'suite_digest'
    WHERE suite.value = ? AND lifecycle_stage = 'active' AND status = 'FINISHED'
    ORDER BY runs.start_time LIMIT 1
"""


class MlflowTables(RegistryReader):
    """Reads a registry's database file."""

    def __init__(self, database: Path, *, shown: str) -> None:
        """`shown` is how the registry is named in errors."""
        self._database = database
        self._shown = shown

    @override
    def run_tags(self, run_id: str) -> Mapping[str, str]:
        return dict(self._rows(_RUN_TAGS, run_id))

    @override
    def version_tags(self, model: str, number: str) -> Mapping[str, str]:
        return dict(self._rows(_VERSION_TAGS, model, int(number)))

    @override
    def alias_tags(self, model: str, alias: str) -> Mapping[str, str]:
        for (number,) in self._rows(_ALIAS, model, alias):
            return self.version_tags(model, number)
        return {}

    @override
    def first_content(self, suite: str) -> str | None:
        rows = self._rows(_FIRST_CONTENT, suite) if self._database.is_file() else []
        return next((str(digest) for (digest,) in rows), None)

    def _rows(self, query: str, *values: str | int) -> list[Any]:
        address = f"{self._database.as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=_TIMEOUT_SECONDS)) as tables:
                return tables.execute(query, values).fetchall()
        except (sqlite3.Error, ValueError) as error:
            raise ServiceError(f"cannot be asked ({error})", where=self._shown) from error
