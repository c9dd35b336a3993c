"""Opening the real MLflow, at the last moment."""

from registry.protocol import Registry
from registry.traces.conversations import TraceSource
from registry.tracking import Tracking


def open_mlflow(tracking: Tracking) -> Registry:
    """Open the real MLflow; importing it takes a second or two, so it happens here and not sooner."""
    from registry.mlflow_client import MlflowRegistry

    return MlflowRegistry(tracking)


def open_mlflow_traces(tracking: Tracking) -> TraceSource:
    """Open the real MLflow for its traces; see `open_mlflow`."""
    from registry.mlflow_traces import MlflowTraces

    return MlflowTraces(tracking)
