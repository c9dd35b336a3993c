"""Connecting to MLflow through its client: its environment, a server's login, and its errors as ours."""

import logging
import os
import re
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies

from quantgate.pipelines.domain.errors import ServiceError, ToolchainError
from quantgate.registry.mlflow.database import database_trouble, opened_alone
from quantgate.registry.mlflow.tables import lay_tables
from quantgate.registry.readiness.revisions import refuse_other_schema
from quantgate.registry.reading.login import LENT
from quantgate.registry.reading.postgresql import driver_name, postgresql_rows
from quantgate.registry.tracking import Tracking

# Read by MLflow when it is imported or used: no telemetry, no progress bars, no addresses of runs on
# standard output (which may be JSON), and an answer about an unreachable server within seconds instead of
# minutes. A user's own settings win.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}.items():
    os.environ.setdefault(_name, _value)

with warnings.catch_warnings():
    # MLflow warns about its own use of pydantic and of unannotated types while it is imported.
    warnings.simplefilter("ignore")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    from quantgate.registry.mlflow.relocation import settle_artifacts

logging.getLogger("mlflow").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)

_CONNECT_SECONDS = 5.0
_OTHER_SCHEMA = re.compile(r"out-of-date database schema \(found version (\w+)")
_REFUSALS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "PERMISSION_DENIED", "UNAUTHENTICATED"}


def connected(tracking: Tracking) -> MlflowClient:
    """Connect; a SQLite database is created on first use.

    Raises:
        ServiceError: where the server does not answer, or the database is damaged.
        ToolchainError: where the database's disk is full, or it may not be written.
    """
    if tracking.is_server:
        _require_listener(tracking)
    elif tracking.is_postgresql and driver_name() is not None:
        with postgresql_rows(tracking.uri, shown=tracking.shown):
            pass  # where it is down, MLflow itself would retry for minutes
    with translated(tracking), opened_alone(tracking.database):
        LENT.lend(tracking.login)
        if tracking.database is not None:
            lay_tables(tracking.database)
        client = MlflowClient(tracking_uri=tracking.address, registry_uri=tracking.address)
        client.search_registered_models(max_results=1)
        if tracking.database is not None and tracking.artifact_root is not None:
            settle_artifacts(client, tracking.uri, tracking.artifact_root)
    return client


def _require_listener(tracking: Tracking) -> None:
    """Refuse at once where nobody listens; MLflow itself would retry for minutes. Not through a proxy."""
    parts = urlsplit(tracking.uri)
    if parts.scheme in getproxies() or not parts.hostname:
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname, port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise ServiceError(
            f"MLflow does not answer ({error})",
            where=tracking.shown,
            next_step="start the server, or correct MLFLOW_TRACKING_URI",
            transient=True,
        ) from error


@contextmanager
def translated(tracking: Tracking) -> Iterator[None]:
    """Turn MLflow's, SQLAlchemy's and HTTP's errors into a ServiceError that names the URI.

    Raises:
        ToolchainError: where the disk of a SQLite database, or its permissions, are behind them, or a driver
            is missing.
    """
    try:
        yield
    except MlflowException as error:
        if held := _OTHER_SCHEMA.search(str(error)):
            refuse_other_schema(held[1], where=tracking.shown, uri=tracking.shown)
        if trouble := database_trouble(error, tracking.database):
            raise trouble from error
        refused = error.error_code in _REFUSALS
        raise ServiceError(
            f"MLflow {'refused' if refused else 'failed'}: {_first_line(error)}",
            where=tracking.shown,
            next_step=_next_step(tracking),
            transient=tracking.is_server and not refused,
        ) from error
    except ModuleNotFoundError as error:
        raise ToolchainError(
            f"MLflow asks this registry through the package {error.name}, which is not installed",
            where=tracking.shown,
            next_step="install it where quantgate is installed",
        ) from error
    except (SQLAlchemyError, RequestException, OSError) as error:
        if trouble := database_trouble(error, tracking.database):
            raise trouble from error
        raise ServiceError(
            f"MLflow cannot be used: {_first_line(error)}",
            where=tracking.shown,
            next_step=_next_step(tracking),
            transient=isinstance(error, RequestException) or "locked" in str(error),
        ) from error


def _next_step(tracking: Tracking) -> str:
    if tracking.database is not None:
        return f"look at the database {tracking.database} (damaged, locked, or of another MLflow?)"
    return "look at the MLflow server and its log"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
