"""An MLflow server as a registry: its version, and whether this login may write there what is about to come.

Nothing is written to find out: MLflow's login plugin looks at permissions before it looks at what is asked
(`mlflow/server/auth`), so a request that nobody could fulfil is refused as forbidden, or as malformed.
"""

import re

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.registry.reading.server import AbsentError, ForbiddenError, ServerRequests
from quantgate.registry.tracking import Tracking

OLDEST_MAJOR = 3
"""Servers of MLflow 2 lack calls that recording makes."""
_VERSION = re.compile(r"(\d+)\.\d+")


def check_server(tracking: Tracking, model: str | None) -> None:
    """Refuse a server that is none of MLflow's, too old, or that would not let this login register a model.

    Without a name, as long as nobody knows it, it is asked whether new models can be registered.

    Raises:
        ServiceError: it does not answer, or one of these.
    """
    server = ServerRequests(tracking)
    _check_version(server, tracking)
    _check_rights(server, tracking, model)


def _check_version(server: ServerRequests, tracking: Tracking) -> None:
    said = server.version()
    version = _VERSION.match(said) if said is not None else None
    if version is not None and int(version[1]) < OLDEST_MAJOR:
        raise ServiceError(
            f"the server is MLflow {said}, and registering needs MLflow {OLDEST_MAJOR}",
            where=tracking.shown,
            next_step="have it upgraded, or name another one: MLFLOW_TRACKING_URI",
        )


def _check_rights(server: ServerRequests, tracking: Tracking, model: str | None) -> None:
    """Ask for what would be refused as malformed, of what is there and of what would have to be made."""
    experiment = _experiment_id(server, model) if model is not None else None
    asked: list[tuple[str, JsonObject, str]] = [
        ("experiments/create", {"name": ""}, "make experiments")
        if experiment is None
        else (
            "experiments/set-experiment-tag",
            {"experiment_id": experiment, "key": "", "value": ""},
            f"write to experiment '{model}'",
        ),
        ("registered-models/create", {"name": ""}, "register models")
        if model is None or not _is_registered(server, model)
        else (
            "registered-models/set-tag",
            {"name": model, "key": "", "value": ""},
            f"write to registered model '{model}'",
        ),
    ]
    for endpoint, body, right in asked:
        try:
            server.post(endpoint, body)
        except ForbiddenError as error:
            raise ServiceError(
                f"the server does not let this login {right}",
                where=tracking.shown,
                next_step="ask for that permission, or log in as somebody else",
            ) from error
        except ServiceError as error:
            if not _is_malformed(error):
                raise


def _is_malformed(error: ServiceError) -> bool:
    return "(400" in error.what


def _experiment_id(server: ServerRequests, name: str) -> str | None:
    try:
        answer = server.get("experiments/get-by-name", {"experiment_name": name})
    except AbsentError:
        return None
    experiment = answer.get("experiment")
    number = experiment.get("experiment_id") if isinstance(experiment, dict) else None
    return number if isinstance(number, str) else None


def _is_registered(server: ServerRequests, model: str) -> bool:
    try:
        server.get("registered-models/get", {"name": model})
    except AbsentError:
        return False
    return True
