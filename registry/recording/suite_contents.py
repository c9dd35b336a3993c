"""With which content a registry knows a `suite@version`: asked in milliseconds, without importing MLflow.

The first finished run, of whatever model, that was judged on it counts: what was judged first is what the
version is. What can only be asked through MLflow is asked when variants are registered.
"""

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.registry.opening import open_light_reader
from quantgate.registry.tracking import Tracking

_SHOWN_DIGITS = 12


def registered_content(suite: str, tracking: Tracking) -> str | None:
    """Return the digest that `name@version` stands for in a registry, None where it does not know it.

    Raises:
        ServiceError: where that cannot be asked now, or not without MLflow.
    """
    if tracking.database is not None and not tracking.database.is_file():
        return None
    with open_light_reader(tracking) as reader:
        if reader is None:
            raise ServiceError(
                "is asked through MLflow alone",
                where=tracking.shown,
                next_step="it is asked again when variants are registered",
            )
        return reader.first_content(suite)


def other_content(suite: Suite, registered: str) -> str:
    """Say that a suite is not the content that its version stands for in a registry."""
    return (
        f"{suite.name}@{suite.version} is another content in this registry: "
        f"{registered[:_SHOWN_DIGITS]} there, {suite.digest[:_SHOWN_DIGITS]} here"
    )
