"""MLflow's PostgreSQL database, opened to be read, through the driver that is installed."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from quantgate.pipelines.domain.errors import ServiceError, ToolchainError
from quantgate.registry.reading.tables import Rows

_DRIVERS = ("psycopg2", "psycopg")
_CONNECT_SECONDS = 5
_WRONG_LOGIN = ("authentication failed", "no password supplied", "permission denied", "role ")


@contextmanager
def postgresql_rows(uri: str, *, shown: str) -> Iterator[Rows]:
    """Yield the rows of the database that a URI names; `shown` is how the registry is named in errors.

    The URI is SQLAlchemy's: `postgresql[+driver]://user:password@host:port/database?option=value`, whose
    options are libpq's (https://www.postgresql.org/docs/current/libpq-connect.html).

    Raises:
        ToolchainError: no driver is installed.
        ServiceError: the database does not answer, refuses the login, or lacks MLflow's tables.
    """
    driver = _driver(shown)

    def rows(query: str, *values: str | int) -> list[Any]:
        try:
            with opened.cursor() as cursor:
                cursor.execute(query.replace("?", "%s"), values)
                return list(cursor.fetchall())
        except driver.Error as error:
            raise _refused(error, shown) from error

    try:
        opened = driver.connect(**_options(uri))
        opened.autocommit = True
    except driver.Error as error:
        raise _refused(error, shown) from error
    with closing(opened):
        yield rows


def driver_name() -> str | None:
    """Return the name of the driver that is installed; None where none of those that are used here is."""
    return next((name for name in _DRIVERS if find_spec(name)), None)


def no_driver(shown: str) -> ToolchainError:
    """Return what to raise where nothing can read the database, MLflow's client neither."""
    return ToolchainError(
        "a PostgreSQL database is read through psycopg2 or psycopg, and neither is installed",
        where=shown,
        next_step="pip install psycopg2-binary",
    )


def _driver(shown: str) -> ModuleType:
    name = driver_name()
    if name is None:
        raise no_driver(shown)
    return import_module(name)


def _options(uri: str) -> dict[str, str | int]:
    parts = urlsplit(uri)
    options: dict[str, str | int | None] = {
        "host": unquote(parts.hostname) if parts.hostname else None,
        "port": parts.port,
        "user": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "dbname": unquote(parts.path.lstrip("/")) or None,
        "connect_timeout": _CONNECT_SECONDS,
    }
    options |= dict(parse_qsl(parts.query))
    return {name: value for name, value in options.items() if value is not None}


def _refused(error: Exception, shown: str) -> ServiceError:
    said = " ".join(str(error).split())
    login = any(words in said for words in _WRONG_LOGIN)
    return ServiceError(
        f"the registry's database {'refused the login' if login else 'cannot be read'} ({said})",
        where=shown,
        next_step="correct user and password in MLFLOW_TRACKING_URI"
        if login
        else "start the database, or correct MLFLOW_TRACKING_URI",
        transient=not login,
    )
