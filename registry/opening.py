"""Opening a registry: to be read, without MLflow wherever that can be; to be written, through MLflow."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from quantgate.registry.protocol import Registry, RegistryReader
from quantgate.registry.tracking import Tracking

if TYPE_CHECKING:  # what reads conversations is slower to import than a look-up is
    from quantgate.registry.traces.conversations import TraceSource


def open_mlflow(tracking: Tracking) -> Registry:
    """Open the real MLflow; importing it takes a second or two, so it happens here and not sooner."""
    from quantgate.registry.mlflow.client import MlflowRegistry

    return MlflowRegistry(tracking)


def import_ahead(module: str = "quantgate.registry.mlflow.client") -> threading.Thread:
    """Import in a thread what `open_mlflow` needs; what fails there fails again for whoever opens it."""

    def load() -> None:
        with suppress(Exception):
            import_module(module)

    thread = threading.Thread(target=load, name="registry-import", daemon=True)
    thread.start()
    return thread


def open_mlflow_traces(tracking: Tracking) -> "TraceSource":
    """Open the real MLflow for its traces; see `open_mlflow`."""
    from quantgate.registry.mlflow.traces import MlflowTraces

    return MlflowTraces(tracking)


def open_reader(tracking: Tracking) -> AbstractContextManager[RegistryReader]:
    """Open a registry to be read; what no reader of ours knows is read through MLflow.

    That is a database with another schema (`reading/schema.py`), of another kind than SQLite and PostgreSQL,
    or with workspaces, and a server whose requests have to be signed by a plugin.

    Raises (some of it when the block begins):
        NotFoundError: there is no such database.
        ServiceError: it does not answer, or refuses.
        ToolchainError: a driver, or MLflow itself, is needed and not installed.
    """
    tracking.require_database()
    return _reader(tracking)


@contextmanager
def _reader(tracking: Tracking) -> Iterator[RegistryReader]:
    with open_light_reader(tracking) as reader:
        if reader is not None:
            yield reader
            return
    if tracking.is_postgresql and find_spec("mlflow") is None:
        from quantgate.registry.reading.postgresql import no_driver

        raise no_driver(tracking.shown)
    from quantgate.registry.mlflow.client import MlflowRegistry
    from quantgate.registry.mlflow.reader import MlflowReader

    yield MlflowReader(MlflowRegistry(tracking))


@contextmanager
def open_light_reader(tracking: Tracking) -> Iterator[RegistryReader | None]:
    """Open what can be read of a registry without importing MLflow; None where that is nothing.

    Raises:
        ServiceError: where it does not answer, or refuses.
    """
    if tracking.needs_mlflow:
        yield None
    elif tracking.is_server:
        from quantgate.registry.reading.replies import RepliesReader
        from quantgate.registry.reading.server import ServerRequests

        yield RepliesReader(ServerRequests(tracking))
    elif tracking.database is not None:
        from quantgate.registry.reading.schema import tables_reader
        from quantgate.registry.reading.sqlite import sqlite_rows

        with sqlite_rows(tracking.database, shown=tracking.shown) as rows:
            yield tables_reader(rows, tracking.artifact_root)
    elif tracking.is_postgresql:
        from quantgate.registry.reading.postgresql import driver_name, postgresql_rows
        from quantgate.registry.reading.schema import tables_reader

        if driver_name() is None:  # MLflow's client may know another one
            yield None
            return
        with postgresql_rows(tracking.uri, shown=tracking.shown) as rows:
            yield tables_reader(rows, tracking.artifact_root)
    else:
        yield None


def check_readiness(tracking: Tracking, model: str | None) -> None:
    """Refuse a registry that could not take versions of a model (None: of one whose name is not known yet).

    What only MLflow's own client can ask is taken for ready.

    Raises:
        ServiceError, ToolchainError: why it could not.
        InputError: its address is malformed.
    """
    if tracking.needs_mlflow:
        return
    if tracking.is_server:
        from quantgate.registry.readiness.server import check_server

        check_server(tracking, model)
    elif tracking.database is not None:
        from quantgate.registry.readiness.sqlite import check_sqlite

        check_sqlite(tracking, tracking.database)
    elif tracking.is_database:
        from quantgate.registry.readiness.databases import check_database

        check_database(tracking)
