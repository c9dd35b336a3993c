"""Which MLflow is meant: a tracking URI, settled once before anything is written or read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.domain.secrets import redacted, without_userinfo
from quantgate.pipelines.files.store import STORE_VARIABLE, Store
from quantgate.registry.weights import REFERENCE, weights_setting

URI_VARIABLE = "MLFLOW_TRACKING_URI"
WORKSPACE_VARIABLE = "MLFLOW_WORKSPACE"
_SIGNING = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_ENABLE_DB_SDK")
_WORKSPACES = ("MLFLOW_ENABLE_WORKSPACES", WORKSPACE_VARIABLE)
_UNSET = ("", "0", "false", "default")
_SQLITE = "sqlite:///"
_SERVERS = ("http", "https")
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """One MLflow: its URI, and the store that receipts and the lock live in.

    `artifact_root` is where a new experiment keeps its artifacts; None leaves that to the server. `weights`
    is where weights of versions go (`registry.weights`).
    """

    uri: str = field(repr=False)
    artifact_root: Path | None
    store: Store
    weights: str = REFERENCE

    @classmethod
    def resolve(
        cls,
        store: Store,
        *,
        uri: str | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> "Tracking":
        """Take `uri`, else MLFLOW_TRACKING_URI, else a SQLite database in the store.

        Raises:
            InputError: where the URI is malformed, or of a kind that cannot hold a registry (a folder,
                `file://`), or QUANTGATE_WEIGHTS names no place.
        """
        root = store.root.resolve()
        chosen = uri or environment.get(URI_VARIABLE) or f"{_SQLITE}{root / 'mlflow.db'}"
        chosen = chosen.strip()
        _check_address(chosen)
        scheme = urlsplit(chosen).scheme.split("+")[0].lower()
        if scheme not in _SERVERS + _DATABASES and not chosen.startswith("databricks"):
            raise InputError(
                "is not a tracking URI that holds a model registry",
                where=_without_login(chosen),
                next_step="write postgresql://…"
                if scheme == "postgres"
                else "use sqlite:////absolute/path/mlflow.db or the http(s) address of a server",
            )
        if scheme == "sqlite":
            chosen = _absolute_sqlite(chosen)
        elif scheme in _SERVERS:  # one registry, also where its address is copied from a browser
            chosen = scheme + urldefrag(chosen).url[len(scheme) :].rstrip("/")
        database = _database_file(chosen)
        local = (database.parent if database else root) / "mlflow-artifacts"
        return cls(
            uri=chosen,
            artifact_root=local if scheme in _DATABASES else None,
            store=Store(root=root),
            weights=weights_setting(environment),
        )

    @property
    def database(self) -> Path | None:
        """The SQLite file behind the URI, or None."""
        return _database_file(self.uri)

    @property
    def is_server(self) -> bool:
        """Whether the URI is an MLflow server's."""
        return urlsplit(self.uri).scheme in _SERVERS

    @property
    def is_database(self) -> bool:
        """Whether the URI is a database's."""
        return urlsplit(self.uri).scheme.split("+")[0].lower() in _DATABASES

    @property
    def is_postgresql(self) -> bool:
        """Whether the URI is a PostgreSQL database's."""
        return urlsplit(self.uri).scheme.split("+")[0].lower() == "postgresql"

    @property
    def needs_mlflow(self) -> bool:
        """Whether only MLflow's own client can ask: it signs requests by plugins, it knows workspaces.

        Its variables: `mlflow/environment_variables.py`. A server keeps workspaces apart itself.
        """
        names = _SIGNING if self.is_server else _WORKSPACES
        return any(os.environ.get(name, "").lower() not in _UNSET for name in names)

    @property
    def shown(self) -> str:
        """The URI without passwords and tokens."""
        return redacted(self.uri)

    @property
    def address(self) -> str:
        """What MLflow gets: a server's address without user and password, which it would log and tell."""
        return without_userinfo(self.uri) if self.is_server else self.uri

    @property
    def login(self) -> dict[str, str]:
        """The variables that MLflow reads a server's user and password from; empty where it has none."""
        parts = urlsplit(self.uri)
        if not self.is_server or parts.username is None:
            return {}
        return {
            "MLFLOW_TRACKING_USERNAME": unquote(parts.username),
            "MLFLOW_TRACKING_PASSWORD": unquote(parts.password or ""),
        }

    @property
    def key(self) -> str:
        """A short name for this registry, whoever logs in, for file names."""
        return sha256(without_userinfo(self.uri).encode()).hexdigest()[:8]

    def require_database(self) -> None:
        """Refuse to look into a SQLite database that does not exist: opening it would create it.

        Raises:
            NotFoundError: saying that nothing was registered yet.
        """
        if self.database is not None and not self.database.is_file():
            raise NotFoundError(
                "nothing is registered yet: there is no registry here",
                where=self.shown,
                next_step="build something (`quantgate quantize MODEL`), or set "
                f"{URI_VARIABLE} (a server) or {STORE_VARIABLE} (a store elsewhere)",
            )


def _check_address(uri: str) -> None:
    """Refuse what is no address: without a host or with a port that is none, with spaces."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
        problem = "names no host" if parts.scheme in _SERVERS and not parts.hostname else ""
    except ValueError as error:
        problem = f"is no address ({error})"
    if not problem and (not uri.isprintable() or " " in uri) and not uri.startswith(_SQLITE):
        problem = "is no address (there is space in it)"
    if problem:
        raise InputError(problem, where=_without_login(uri), next_step=f"correct {URI_VARIABLE}")


def _without_login(uri: str) -> str:
    """Return what is no address without what may be a password in it."""
    head, login, host = uri.rpartition("@")
    scheme, separator, _ = head.partition("://")
    shown = f"{scheme}{separator}***" if separator else "***"
    return redacted(f"{shown}@{host}" if login else uri)


def _absolute_sqlite(uri: str) -> str:
    path = uri.partition("?")[0].partition(":///")[2]
    if not path:
        raise InputError(
            "names no database file", where=uri, next_step="write sqlite:////a/path.db"
        )
    return f"{_SQLITE}{Path(path).resolve()}"


def _database_file(uri: str) -> Path | None:
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None
