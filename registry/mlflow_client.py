"""MLflow's client behind the `Registry` protocol; its errors become ours here."""

import json
import logging
import os
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import time
from urllib.parse import urlsplit
from urllib.request import getproxies

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.registry.database import database_trouble, opened_alone
from quantgate.registry.protocol import (
    DatasetInput,
    RecordedRun,
    RecordedVersion,
    RunContent,
    TaggedRun,
)
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
    import mlflow.pyfunc
    from mlflow import MlflowClient, entities
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    from quantgate.registry.mlflow_relocation import settle_artifacts

logging.getLogger("mlflow").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)

_MODEL_FOLDER = "model"
_MODEL_CODE = Path(__file__).with_name("packaged_model.py")
_CONNECT_SECONDS = 5.0
_PAGE = 1000
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"}
_EXISTS = "RESOURCE_ALREADY_EXISTS"
_REFUSALS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "PERMISSION_DENIED", "UNAUTHENTICATED"}


class MlflowRegistry:
    """A `Registry` over MLflow's explicit client: no active run, no global state of ours."""

    def __init__(self, tracking: Tracking) -> None:
        """Connect; a SQLite database is created on first use.

        Raises:
            ServiceError: where the server does not answer, or the database is damaged.
            ToolchainError: where the database's disk is full, or it may not be written.
        """
        self._tracking = tracking
        if tracking.is_server:
            _require_listener(tracking)
        with translated(tracking), opened_alone(tracking.database):
            _log_in(tracking)
            self._client = MlflowClient(
                tracking_uri=tracking.address, registry_uri=tracking.address
            )
            self._client.search_registered_models(max_results=1)
            if tracking.database is not None and tracking.artifact_root is not None:
                settle_artifacts(self._client, tracking.uri, tracking.artifact_root)

    def experiment(self, name: str) -> str:
        """See `Registry`."""
        with translated(self._tracking):
            found = self._client.get_experiment_by_name(name)
            if found is None:
                return self._create_experiment(name)
        if found.lifecycle_stage != "active":
            raise ServiceError(
                f"the experiment '{name}' was deleted",
                where=self._tracking.shown,
                next_step=f"restore it: mlflow experiments restore -x {found.experiment_id}",
            )
        return str(found.experiment_id)

    def find_run(self, experiment_id: str, evidence_key: str) -> RecordedRun | None:
        """See `Registry`."""
        with translated(self._tracking):
            found = self._client.search_runs(
                [experiment_id], f"tags.evidence_key = '{evidence_key}'", max_results=_PAGE
            )
        runs = [
            RecordedRun(id=run.info.run_id, finished=run.info.status == "FINISHED") for run in found
        ]
        return max(runs, key=lambda run: run.finished, default=None)

    def tagged_runs(self, experiment: str, tags: Mapping[str, str]) -> tuple[TaggedRun, ...]:
        """See `Registry`."""
        conditions = [f"tags.{key} = '{value}'" for key, value in tags.items()]
        with translated(self._tracking):
            home = self._client.get_experiment_by_name(experiment)
            if home is None:
                return ()
            found = self._client.search_runs(
                [home.experiment_id],
                " and ".join([*conditions, "attributes.status = 'FINISHED'"]),
                max_results=_PAGE,
                order_by=["attributes.start_time DESC"],
            )
        return tuple(TaggedRun(id=run.info.run_id, tags=dict(run.data.tags)) for run in found)

    def first_content(self, suite: str) -> str | None:
        """See `Registry`."""
        with translated(self._tracking):
            homes = [one.experiment_id for one in self._client.search_experiments()]
            found = self._client.search_runs(
                homes,
                f"tags.suite = '{suite}' and attributes.status = 'FINISHED'",
                max_results=1,
                order_by=["attributes.start_time ASC"],
            )
        return next((run.data.tags.get("suite_digest") for run in found), None)

    def start_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> RecordedRun:
        """See `Registry`."""
        with translated(self._tracking):
            run = self._client.create_run(experiment_id, tags=dict(tags), run_name=name)
        return RecordedRun(id=run.info.run_id, finished=False)

    def fill_run(self, run_id: str, content: RunContent, files: Path) -> None:
        """See `Registry`."""
        with translated(self._tracking):
            # One moment per run: MLflow keeps equal (name, value, moment) only once.
            moment = self._client.get_run(run_id).info.start_time
            self._client.log_batch(
                run_id,
                metrics=[
                    entities.Metric(name, value, moment, 0)
                    for name, value in content.metrics.items()
                ],
                params=[entities.Param(name, value) for name, value in content.parameters.items()],
            )
            self._client.log_inputs(run_id, datasets=[_input(given) for given in content.inputs])
            self._client.log_artifacts(run_id, str(files))

    def add_model(self, run_id: str, manifest: Path, work: Path) -> None:
        """See `Registry`."""
        folder = work / _MODEL_FOLDER
        with translated(self._tracking), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow's advice on signatures and environments
            mlflow.pyfunc.save_model(
                str(folder),
                python_model=str(_MODEL_CODE),
                artifacts={"manifest": str(manifest)},
                pip_requirements=[f"mlflow=={mlflow.__version__}"],
            )
            self._client.log_artifacts(run_id, str(folder), _MODEL_FOLDER)

    def finish_run(self, run_id: str) -> None:
        """See `Registry`."""
        with translated(self._tracking):
            self._client.set_terminated(run_id, "FINISHED", end_time=int(time() * 1000))

    def set_run_tag(self, run_id: str, key: str, value: str) -> None:
        """See `Registry`."""
        with translated(self._tracking):
            self._client.set_tag(run_id, key, value)

    def versions(self, model: str, tags: Mapping[str, str]) -> tuple[RecordedVersion, ...]:
        """See `Registry`."""
        conditions = [f"name = '{model}'"]
        conditions += [f"tags.{key} = '{value}'" for key, value in tags.items()]
        found: list[RecordedVersion] = []
        token = None
        with translated(self._tracking):
            while True:
                page = self._client.search_model_versions(
                    " and ".join(conditions), max_results=_PAGE, page_token=token
                )
                found += [_version(version) for version in page]
                token = page.token
                if not token:
                    return tuple(sorted(found, key=lambda version: int(version.number)))

    def create_version(self, model: str, run_id: str, tags: Mapping[str, str]) -> RecordedVersion:
        """See `Registry`."""
        with translated(self._tracking):
            try:
                self._client.create_registered_model(model)
            except MlflowException as error:
                if error.error_code != _EXISTS:
                    raise
            # What runs:/ID/model would resolve to on this side; a server resolves it on its own.
            created = self._client.create_model_version(
                model, f"runs:/{run_id}/{_MODEL_FOLDER}", run_id=run_id, tags=dict(tags)
            )
        return _version(created)

    def delete_version(self, model: str, number: str) -> None:
        """See `Registry`."""
        with translated(self._tracking):
            self._client.delete_model_version(model, number)

    def set_version_tag(self, model: str, number: str, key: str, value: str) -> None:
        """See `Registry`."""
        with translated(self._tracking):
            self._client.set_model_version_tag(model, number, key, value)

    def aliases(self, model: str) -> Mapping[str, str] | None:
        """See `Registry`."""
        with translated(self._tracking):
            try:
                found = self._client.get_registered_model(model)
            except MlflowException as error:
                if error.error_code in _ABSENT:
                    return None
                raise
        return {alias: str(number) for alias, number in found.aliases.items()}

    def point_alias(self, model: str, alias: str, number: str | None) -> None:
        """See `Registry`."""
        with translated(self._tracking):
            if number is None:
                self._client.delete_registered_model_alias(model, alias)
            else:
                self._client.set_registered_model_alias(model, alias, number)

    def model_names(self) -> tuple[str, ...]:
        """See `Registry`."""
        with translated(self._tracking):
            found = self._client.search_registered_models(max_results=_PAGE)
        return tuple(sorted(model.name for model in found))

    def _create_experiment(self, name: str) -> str:
        root = self._tracking.artifact_root
        location = (root / name).as_uri() if root else None
        try:
            return str(self._client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            if error.error_code != _EXISTS:
                raise
            return str(self._client.get_experiment_by_name(name).experiment_id)


def _version(version: object) -> RecordedVersion:
    found: entities.model_registry.ModelVersion = version
    return RecordedVersion(
        number=str(found.version), run_id=found.run_id or "", tags=dict(found.tags)
    )


def _input(given: DatasetInput) -> entities.DatasetInput:
    """Return an input with the whole sha256 as a tag: MLflow's digest holds 36 characters only."""
    dataset = entities.Dataset(
        name=given.name,
        digest=given.sha256[:36],
        source_type="local",
        source=json.dumps({"uri": given.source}),
    )
    tags = {"mlflow.data.context": given.role, "sha256": given.sha256}
    return entities.DatasetInput(
        dataset, tags=[entities.InputTag(key, value) for key, value in tags.items()]
    )


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


_lent: set[str] = set()
"""Variables that hold a login because an address did; another address must not get it."""


def _log_in(tracking: Tracking) -> None:
    """Hand MLflow a server's user and password; it has no other way to be told than its environment."""
    for name in _lent:
        os.environ.pop(name, None)
    _lent.clear()
    _lent.update(tracking.login)
    os.environ.update(tracking.login)


@contextmanager
def translated(tracking: Tracking) -> Iterator[None]:
    """Turn MLflow's, SQLAlchemy's and HTTP's errors into a ServiceError that names the URI.

    Raises:
        ToolchainError: where the disk of a SQLite database, or its permissions, are behind them.
    """
    try:
        yield
    except MlflowException as error:
        if trouble := database_trouble(error, tracking.database):
            raise trouble from error
        refused = error.error_code in _REFUSALS
        raise ServiceError(
            f"MLflow {'refused' if refused else 'failed'}: {_first_line(error)}",
            where=tracking.shown,
            next_step=_next_step(tracking),
            transient=tracking.is_server and not refused,
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
