"""How long look-ups take, as whole processes, in small and in large registries."""

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from quantgate.pipelines.files.store import Store
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.facts import to_tags
from quantgate.registry.mlflow.client import MlflowRegistry
from quantgate.registry.tracking import Tracking
from tests.support.project import PROJECT
from tests.support.registered.mlflow_tables import SUITE, Extent, fill
from tests.support.registered.registries import Sample, evidence_of, tracking_in
from tests.support.servers.mlflow_served import postgresql, served_mlflow

_ROUNDS = 5
EXTENTS = (
    Extent(models=1, versions=1000),
    Extent(models=1, versions=2000),
    Extent(models=2000, versions=50),
)
TARGETS = {1000: 0.3, 2000: 0.3, 100_000: 0.5}
"""Seconds of wall time on an idle machine, by the number of versions."""
MODEL = "model-0000"
COMMANDS = {
    "lookup": ("lookup", MODEL, "--suite", SUITE),
    "lookup, no suite": ("lookup", MODEL),
    "lookup with wishes": (
        "lookup",
        MODEL,
        "--suite",
        SUITE,
        "--format",
        "gguf",
        "--max-size",
        "5kB",
    ),
    "lineage": ("lineage", f"{MODEL}@{SUITE}"),
    "history": ("history", MODEL),
    "compare": ("compare", f"{MODEL}/1", f"{MODEL}/2"),
    "verify --quick": ("verify", f"{MODEL}/1", "--quick"),
}
PROGRAM = f"from quantgate import lookup; print(lookup({MODEL!r}, suite={SUITE!r}).artifact)"
"""A look-up from another program."""


def run(store: Store) -> None:
    """Print each command's time in each registry, and its ratio to an interpreter that does nothing."""
    bare = measured([sys.executable, "-c", "pass"], os.environ)
    print(f"an interpreter that does nothing takes {bare.wall_seconds:.3f} s")
    tags = to_tags(version_facts(evidence_of(Sample(), store)))
    fresh = tracking_in(store.root / "fresh")
    MlflowRegistry(fresh)
    assert fresh.database is not None
    for extent in EXTENTS:
        count = extent.models * extent.versions
        database = store.root / f"{count}.db"
        shutil.copy(fresh.database, database)
        with closing(sqlite3.connect(database)) as tables:
            fill(tables.executemany, extent, tags)
            tables.commit()
        for kind, uri in _registries(database, extent, tags):
            environment = {
                **os.environ,
                "MLFLOW_TRACKING_URI": uri,
                "QUANTGATE_STORE": str(store.root),
            }
            asked = {name: ["-m", "quantgate", *command] for name, command in COMMANDS.items()}
            asked["import lookup"] = ["-c", PROGRAM]
            for name, command in asked.items():
                taken = measured([sys.executable, *command], environment)
                verdict = "ok" if taken.wall_seconds < TARGETS[count] else "MISS"
                print(
                    f"{count:>7,} versions, {kind:<10} {name:<18} {taken.wall_seconds:.3f} s "
                    f"(processor {taken.processor_seconds:.3f} s), "
                    f"{taken.wall_seconds / bare.wall_seconds:.1f} times an interpreter; "
                    f"target {TARGETS[count]} s {verdict}"
                )


def _registries(database: Path, extent: Extent, tags: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield "SQLite", f"sqlite:///{database}"
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder), database) as uri:
        yield "server", uri
    if shutil.which("initdb") is None:
        print("PostgreSQL is not installed: left out")
        return
    with tempfile.TemporaryDirectory() as folder, _filled(Path(folder), extent, tags) as uri:
        yield "PostgreSQL", uri


@contextmanager
def _served(folder: Path, database: Path) -> Iterator[str]:
    with served_mlflow(folder, database=f"sqlite:///{database}") as uri:
        yield uri


@contextmanager
def _filled(folder: Path, extent: Extent, tags: dict[str, str]) -> Iterator[str]:
    import psycopg2
    from psycopg2.extras import execute_batch

    with postgresql() as uri:
        MlflowRegistry(_tracking_of(uri, folder))
        with closing(psycopg2.connect(uri)) as tables, tables.cursor() as cursor:
            fill(
                lambda query, rows: execute_batch(cursor, query, list(rows), 1000),
                extent,
                tags,
                "%s",
            )
            tables.commit()
            cursor.execute("ANALYZE")
            tables.commit()
        yield uri


def _tracking_of(uri: str, folder: Path) -> Tracking:
    return Tracking.resolve(Store(root=folder), uri=uri)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Medians of one command's times."""

    wall_seconds: float
    processor_seconds: float


def measured(command: list[str], environment: Mapping[str, str]) -> Taken:
    """Return a command's times; a first run is not counted.

    Raises:
        RuntimeError: it failed: how long that takes is no answer.
    """
    walls, processors = [], []
    for _ in range(_ROUNDS + 1):
        started, before = time.monotonic(), _children_seconds()
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr}")
        walls.append(time.monotonic() - started)
        processors.append(_children_seconds() - before)
    return Taken(wall_seconds=median(walls[1:]), processor_seconds=median(processors[1:]))


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
