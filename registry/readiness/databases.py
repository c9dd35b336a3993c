"""Other databases as a registry (PostgreSQL, MySQL, SQL Server), asked through SQLAlchemy as MLflow does."""

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from quantgate.pipelines.domain.errors import InputError, ServiceError, ToolchainError
from quantgate.registry.readiness.revisions import refuse_other_schema
from quantgate.registry.tracking import Tracking

_PACKAGES = {"psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
_CONNECT_SECONDS = 5
_WRITABLE = text(
    "SELECT has_table_privilege(current_user, 'registered_models', 'INSERT') "
    "AND has_table_privilege(current_user, 'runs', 'INSERT')"
)


def check_database(tracking: Tracking) -> None:
    """Refuse a database without its driver, that does not answer, or that this login may not write.

    Raises:
        InputError: the address is malformed.
        ToolchainError: the driver that it names is not installed.
        ServiceError: it does not answer, refuses, or has another schema.
    """
    try:
        address = make_url(tracking.uri)
        address.get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError) as error:
        raise InputError(
            "is not the address of a database",
            where=tracking.shown,
            next_step="write it as MLflow does, e.g. sqlite:////folder/mlflow.db",
        ) from error
    except ImportError as error:
        name = error.name or address.get_driver_name()
        raise ToolchainError(
            f"the registry's database needs the driver {name}, which is not installed",
            where=tracking.shown,
            next_step=f"pip install {_PACKAGES.get(name, name)}",
        ) from error
    kind = address.get_backend_name()
    options = {"connect_timeout": _CONNECT_SECONDS} if kind in ("postgresql", "mysql") else {}
    engine = create_engine(address, connect_args=options)
    try:
        with engine.connect() as tables:
            if not engine.dialect.has_table(tables, "alembic_version"):
                return  # a new one: MLflow makes its tables
            revisions_held = [
                str(row[0])
                for row in tables.execute(text("SELECT version_num FROM alembic_version"))
            ]
            writable = kind != "postgresql" or tables.execute(_WRITABLE).scalar()
    except SQLAlchemyError as error:
        raise ServiceError(
            f"the registry's database cannot be used ({_first_line(error)})",
            where=tracking.shown,
            next_step="start it, or correct MLFLOW_TRACKING_URI",
            transient=True,
        ) from error
    finally:
        engine.dispose()
    for revision in revisions_held:
        refuse_other_schema(revision, where=tracking.shown, uri=tracking.shown)
    if not writable:
        raise ServiceError(
            "the registry's database does not let this login write",
            where=tracking.shown,
            next_step="ask for the permission, or log in as somebody else",
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
