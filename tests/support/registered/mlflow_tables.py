"""A registry's database with many models and versions, written by plain SQL in seconds.

The tables have the columns and keys of MLflow's that look-ups read (as of its schema dc11669786a5), and no
others; `tests/integration/registry/test_reading.py` holds them against a database that MLflow made. Rows can
also be written into one of those (`fill`), of whatever kind.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from quantgate.pipelines.domain.values import digest_of
from quantgate.registry.lineage_tag import gathered
from quantgate.registry.seals import sealed

REVISION = "dc11669786a5"
SUITE = "support-desk"
VARIANTS = 10
"""Versions of one base, which compete for one alias."""

SCHEMA = """
CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY);
CREATE TABLE registered_models (
    workspace VARCHAR(63) NOT NULL DEFAULT 'default', name VARCHAR(256) NOT NULL, creation_time BIGINT,
    PRIMARY KEY (workspace, name));
CREATE TABLE model_versions (
    workspace VARCHAR(63) NOT NULL DEFAULT 'default', name VARCHAR(256) NOT NULL, version INTEGER NOT NULL,
    creation_time BIGINT, current_stage VARCHAR(20), run_id VARCHAR(32), source VARCHAR(500),
    status VARCHAR(20), PRIMARY KEY (workspace, name, version));
CREATE TABLE model_version_tags (
    workspace VARCHAR(63) NOT NULL DEFAULT 'default', key VARCHAR(250) NOT NULL, name VARCHAR(256) NOT NULL,
    version INTEGER NOT NULL, value TEXT, PRIMARY KEY (workspace, key, name, version));
CREATE INDEX idx_model_version_tags_workspace_name_version ON model_version_tags (workspace, name, version);
CREATE TABLE registered_model_tags (
    workspace VARCHAR(63) NOT NULL DEFAULT 'default', key VARCHAR(250) NOT NULL, name VARCHAR(256) NOT NULL,
    value VARCHAR(5000), PRIMARY KEY (workspace, key, name));
CREATE INDEX idx_registered_model_tags_workspace_name ON registered_model_tags (workspace, name);
CREATE TABLE registered_model_aliases (
    workspace VARCHAR(63) NOT NULL DEFAULT 'default', name VARCHAR(256) NOT NULL,
    alias VARCHAR(256) NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (workspace, name, alias));
CREATE TABLE experiments (
    experiment_id INTEGER PRIMARY KEY, name VARCHAR(256) NOT NULL, lifecycle_stage VARCHAR(32),
    artifact_location VARCHAR(256), workspace VARCHAR(63) NOT NULL DEFAULT 'default',
    UNIQUE (workspace, name));
CREATE TABLE runs (
    run_uuid VARCHAR(32) PRIMARY KEY, status VARCHAR(9), lifecycle_stage VARCHAR(20), start_time BIGINT,
    experiment_id INTEGER, artifact_uri VARCHAR(200));
CREATE TABLE tags (
    key VARCHAR(250) NOT NULL, run_uuid VARCHAR(32) NOT NULL, value VARCHAR(8000),
    PRIMARY KEY (key, run_uuid));
CREATE INDEX index_tags_run_uuid ON tags (run_uuid);
"""


class Writes(Protocol):
    """What an open database takes rows with: `executemany` of sqlite3's connections and of other cursors."""

    def __call__(self, query: str, rows: Iterable[Sequence[Any]], /) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is registered: models `model-0000` …, each with so many versions."""

    models: int
    versions: int

    @property
    def names(self) -> tuple[str, ...]:
        """The models' names."""
        return tuple(f"model-{number:04}" for number in range(self.models))


def write_tables(database: Path, extent: Extent, tags: dict[str, str]) -> None:
    """Make a database; `tags` are those of one version, of which all others are made."""
    with closing(sqlite3.connect(database)) as tables:
        tables.executescript(SCHEMA)
        tables.execute("INSERT INTO alembic_version VALUES (?)", (REVISION,))
        fill(tables.executemany, extent, tags)
        tables.commit()


def fill(write: Writes, extent: Extent, tags: dict[str, str], mark: str = "?") -> None:
    """Write rows into tables that are there; `mark` stands for a value in the database's queries."""

    def put(table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
        marks = ", ".join(mark for _ in columns.split(","))
        query = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
        left = iter(rows)
        while some := list(islice(left, 5000)):
            write(query, some)

    put("registered_models", "name, creation_time", ((name, 1) for name in extent.names))
    put("experiments", "experiment_id, name, lifecycle_stage", [(1000, "model-0000", "active")])
    versions = [(name, number) for name in extent.names for number in range(1, extent.versions + 1)]
    runs = {version: f"{index:032x}" for index, version in enumerate(versions)}
    put(
        "runs",
        "run_uuid, status, lifecycle_stage, start_time, experiment_id",
        ((run, "FINISHED", "active", index, 1000) for index, run in enumerate(runs.values())),
    )
    put(
        "model_versions",
        "name, version, creation_time, current_stage, run_id, status",
        ((*version, version[1], "None", runs[version], "READY") for version in versions),
    )
    put("tags", "key, run_uuid, value", (("suite", run, tags["suite"]) for run in runs.values()))
    put("model_version_tags", "key, name, version, value", _version_tags(versions, tags))
    champion = extent.versions - (extent.versions - 1) % VARIANTS
    put(
        "registered_model_aliases",
        "alias, name, version",
        ((SUITE, name, champion) for name in extent.names),
    )


def _version_tags(
    versions: Iterable[tuple[str, int]], tags: dict[str, str]
) -> Iterator[tuple[str, str, int, str]]:
    """Yield the tags of every version: each base has variants that get larger."""
    for name, number in versions:
        base, variant = divmod(number - 1, VARIANTS)
        varied = {
            **tags,
            "identifier": f"{name}--recipe-{variant}",
            "size_bytes": str(1000 * (variant + 1)),
            "scope": digest_of([name, base]),
            "version_key": digest_of([name, number]),
            "evidence_key": digest_of([name, number, "evidence"]),
        }
        yield from ((key, name, number, text) for key, text in gathered(sealed(varied)).items())
