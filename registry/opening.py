"""Opening the real MLflow, at the last moment."""

from quantgate.registry.protocol import Registry
from quantgate.registry.traces.conversations import TraceSource
from quantgate.registry.tracking import Tracking


def open_mlflow(tracking: Tracking) -> Registry:
    """Open the real MLflow; importing it takes a second or two, so it happens here and not sooner."""
    from quantgate.registry.mlflow_client import MlflowRegistry

    return MlflowRegistry(tracking)


def open_mlflow_traces(tracking: Tracking) -> TraceSource:
    """Open the real MLflow for its traces; see `open_mlflow`."""
    from quantgate.registry.mlflow_traces import MlflowTraces

    return MlflowTraces(tracking)
