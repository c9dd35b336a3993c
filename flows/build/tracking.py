"""Which registry a build's settings mean, and which of its errors may be gone later."""

from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import ServiceError, ToolchainError
from quantgate.registry import Tracking

UNREACHABLE = (ServiceError, ToolchainError)
"""Errors of a registry that may be gone later: it does not answer, its disk is full, a driver is missing."""


def tracking(settings: Settings) -> Tracking:
    """Return the MLflow that these settings mean.

    Raises:
        InputError: where its address is none.
    """
    return Tracking.resolve(settings.store, uri=settings.tracking_uri)
