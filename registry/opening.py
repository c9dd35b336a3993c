"""Opening the real MLflow, at the last moment."""

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.registry.protocol import Registry, RegistryReader
from quantgate.registry.traces.conversations import TraceSource
from quantgate.registry.tracking import Tracking


def open_mlflow(tracking: Tracking) -> Registry:
    """Open the real MLflow; importing it takes a second or two, so it happens here and not sooner."""
    from quantgate.registry.mlflow.client import MlflowRegistry

    return MlflowRegistry(tracking)


def open_mlflow_traces(tracking: Tracking) -> TraceSource:
    """Open the real MLflow for its traces; see `open_mlflow`."""
    from quantgate.registry.mlflow.traces import MlflowTraces

    return MlflowTraces(tracking)


def open_reader(tracking: Tracking) -> RegistryReader:
    """Open what can be read of a registry without importing MLflow.

    Raises:
        ServiceError: where that is nothing.
    """
    if tracking.database is not None:
        from quantgate.registry.mlflow.tables import MlflowTables

        return MlflowTables(tracking.database, shown=tracking.shown)
    if tracking.is_server:
        from quantgate.registry.mlflow.replies import MlflowReplies

        return MlflowReplies(tracking)
    raise ServiceError("is asked through MLflow alone", where=tracking.shown)
