"""MLflow's client behind the `Registry` protocol."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from time import time  # noqa: TID251 - MLflow takes the time of day

from typing_extensions import override

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.registry.lineage_tag import spread
from quantgate.registry.mlflow.connection import connected, translated
from quantgate.registry.mlflow.logged_models import LoggedModels, input_of, metrics_of
from quantgate.registry.mlflow.packaging import MODEL_MANIFEST, save_packaged
from quantgate.registry.mlflow.writing import ABSENT, unless_absent, write
from quantgate.registry.protocol import (
    RecordedRun,
    RecordedVersion,
    Registry,
    RunContent,
    TaggedRun,
)
from quantgate.registry.tracking import Tracking

with warnings.catch_warnings():
    # MLflow warns about its own use of pydantic and of unannotated types while it is imported.
    warnings.simplefilter("ignore")
    from mlflow import MlflowClient, entities
    from mlflow.exceptions import MlflowException

_MODEL_FOLDER = "model"
"""Where in a run models of earlier releases lie."""
_PAGE = 1000
_EXISTS = "RESOURCE_ALREADY_EXISTS"


class MlflowRegistry(Registry):
    """A `Registry` over MLflow's explicit client: no active run, no global state of ours."""

    def __init__(self, tracking: Tracking) -> None:
        """Connect; see `connected`."""
        self._tracking = tracking
        self._client = connected(tracking)
        self._models = LoggedModels(self._client)

    @property
    def tracking(self) -> Tracking:
        """Which MLflow it is."""
        return self._tracking

    @property
    def client(self) -> MlflowClient:
        """MLflow's own client, connected."""
        return self._client

    @override
    def experiment(self, name: str) -> str:
        with translated(self._tracking):
            experiment = self._client.get_experiment_by_name(name)
            if experiment is None:
                return self._create_experiment(name)
        if experiment.lifecycle_stage != "active":
            raise ServiceError(
                f"the experiment '{name}' was deleted",
                where=self._tracking.shown,
                next_step=f"restore it: mlflow experiments restore -x {experiment.experiment_id}",
            )
        return str(experiment.experiment_id)

    @override
    def find_run(self, experiment_id: str, evidence_key: str) -> RecordedRun | None:
        with translated(self._tracking):
            candidates = self._client.search_runs(
                [experiment_id], f"tags.evidence_key = '{evidence_key}'", max_results=_PAGE
            )
        runs = [
            RecordedRun(id=run.info.run_id, finished=run.info.status == "FINISHED")
            for run in candidates
        ]
        return max(runs, key=lambda run: run.finished, default=None)

    @override
    def tagged_runs(self, experiment: str, tags: Mapping[str, str]) -> tuple[TaggedRun, ...]:
        conditions = [f"tags.{key} = '{value}'" for key, value in tags.items()]
        with translated(self._tracking):
            home = self._client.get_experiment_by_name(experiment)
            if home is None:
                return ()
            runs = self._client.search_runs(
                [home.experiment_id],
                " and ".join([*conditions, "attributes.status = 'FINISHED'"]),
                max_results=_PAGE,
                order_by=["attributes.start_time DESC"],
            )
        return tuple(TaggedRun(id=run.info.run_id, tags=dict(run.data.tags)) for run in runs)

    @override
    def first_content(self, suite: str) -> str | None:
        with translated(self._tracking):
            experiments = [
                experiment.experiment_id for experiment in self._client.search_experiments()
            ]
            runs = self._client.search_runs(
                experiments,
                f"tags.suite = '{suite}' and attributes.status = 'FINISHED'",
                max_results=1,
                order_by=["attributes.start_time ASC"],
            )
        return next((run.data.tags.get("suite_digest") for run in runs), None)

    @override
    def first_moment(self, experiment_id: str, scope: str) -> int | None:
        with translated(self._tracking):
            runs = self._client.search_runs(
                [experiment_id],
                f"tags.scope = '{scope}' and attributes.status = 'FINISHED'",
                max_results=1,
                order_by=["attributes.start_time ASC"],
            )
        return next((int(run.info.start_time) for run in runs), None)

    @override
    def start_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> RecordedRun:
        with translated(self._tracking):
            run = self._client.create_run(experiment_id, tags=dict(tags), run_name=name)
        return RecordedRun(id=run.info.run_id, finished=False)

    @override
    def fill_run(self, run_id: str, content: RunContent, files: Path) -> None:
        with translated(self._tracking):
            # One moment per run: MLflow keeps equal (name, value, moment) only once.
            moment = self._client.get_run(run_id).info.start_time
            model = self._models.of_run(run_id)
            self._client.log_batch(
                run_id,
                metrics=[*metrics_of(content, moment, model.model_id if model else None)],
                params=[entities.Param(name, value) for name, value in content.parameters.items()],
            )
            inputs = [input_of(given) for given in content.inputs]
            write(lambda: self._client.log_inputs(run_id, datasets=inputs))
            self._client.log_artifacts(run_id, str(files))

    @override
    def add_model(self, run_id: str, manifest: Path, work: Path) -> None:
        with translated(self._tracking):
            self._models.add(run_id, save_packaged(manifest, work))

    @override
    def renew_model(self, run_id: str, manifest: Path) -> None:
        with translated(self._tracking):
            model = self._models.of_run(run_id)
            if model is None:
                self._client.log_artifact(run_id, str(manifest), f"{_MODEL_FOLDER}/artifacts")
            else:
                folder = MODEL_MANIFEST.partition("/")[0]
                self._client.log_model_artifact(model.model_id, str(manifest), folder)

    @override
    def finish_run(self, run_id: str) -> None:
        with translated(self._tracking):
            self._client.set_terminated(run_id, "FINISHED", end_time=int(time() * 1000))

    @override
    def artifact_uri(self, run_id: str) -> str:
        with translated(self._tracking):
            return str(self._client.get_run(run_id).info.artifact_uri)

    @override
    def set_run_tag(self, run_id: str, key: str, value: str) -> None:
        with translated(self._tracking):
            write(lambda: self._client.set_tag(run_id, key, value))

    @override
    def versions(self, model: str, tags: Mapping[str, str]) -> tuple[RecordedVersion, ...]:
        conditions = [f"name = '{model}'"]
        conditions += [f"tags.{key} = '{value}'" for key, value in tags.items()]
        versions: list[RecordedVersion] = []
        token = None
        with translated(self._tracking):
            while True:
                page = self._client.search_model_versions(
                    " and ".join(conditions), max_results=_PAGE, page_token=token
                )
                versions += [recorded(version) for version in page]
                token = page.token
                if not token:
                    return tuple(sorted(versions, key=lambda version: int(version.number)))

    @override
    def create_version(self, model: str, run_id: str, tags: Mapping[str, str]) -> RecordedVersion:
        with translated(self._tracking):
            try:
                self._client.create_registered_model(model)
            except MlflowException as error:
                if error.error_code != _EXISTS:
                    raise
            logged = self._models.of_run(run_id)
            created = self._client.create_model_version(
                model,
                logged.artifact_location if logged else f"runs:/{run_id}/{_MODEL_FOLDER}",
                run_id=run_id,
                tags=dict(tags),
                model_id=logged.model_id if logged else None,
            )
            if logged is not None:
                self._models.name_version(logged, model, str(created.version))
        return recorded(created)

    @override
    def delete_version(self, model: str, number: str) -> None:
        with translated(self._tracking), unless_absent():
            self._client.delete_model_version(model, number)

    @override
    def set_version_tag(self, model: str, number: str, key: str, value: str) -> None:
        with translated(self._tracking):
            write(lambda: self._client.set_model_version_tag(model, number, key, value))

    @override
    def delete_version_tag(self, model: str, number: str, key: str) -> None:
        with translated(self._tracking), unless_absent():
            self._client.delete_model_version_tag(model, number, key)

    @override
    def describe_version(self, model: str, number: str, text: str) -> None:
        with translated(self._tracking):
            self._client.update_model_version(model, number, text)

    @override
    def describe_model(self, model: str, text: str) -> None:
        with translated(self._tracking):
            self._client.update_registered_model(model, text)

    @override
    def add_run_file(self, run_id: str, file: Path) -> None:
        with translated(self._tracking):
            self._client.log_artifact(run_id, str(file))

    @override
    def aliases(self, model: str) -> Mapping[str, str] | None:
        with translated(self._tracking):
            try:
                registered = self._client.get_registered_model(model)
            except MlflowException as error:
                if error.error_code in ABSENT:
                    return None
                raise
        return {alias: str(number) for alias, number in registered.aliases.items()}

    @override
    def point_alias(self, model: str, alias: str, number: str | None) -> None:
        with translated(self._tracking):
            if number is None:
                self._client.delete_registered_model_alias(model, alias)
            else:
                write(lambda: self._client.set_registered_model_alias(model, alias, number))

    @override
    def model_names(self) -> tuple[str, ...]:
        with translated(self._tracking):
            models = self._client.search_registered_models(max_results=_PAGE)
        return tuple(sorted(model.name for model in models))

    @override
    def model_tags(self, model: str) -> Mapping[str, str] | None:
        with translated(self._tracking), unless_absent():
            return dict(self._client.get_registered_model(model).tags)
        return None

    @override
    def set_model_tag(self, model: str, key: str, value: str) -> None:
        with translated(self._tracking):
            write(lambda: self._client.set_registered_model_tag(model, key, value))

    @override
    def delete_model_tag(self, model: str, key: str) -> None:
        with translated(self._tracking), unless_absent():
            self._client.delete_registered_model_tag(model, key)

    def _create_experiment(self, name: str) -> str:
        root = self._tracking.artifact_root
        location = (root / name).as_uri() if root else None
        try:
            return str(self._client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            if error.error_code != _EXISTS:
                raise
            return str(self._client.get_experiment_by_name(name).experiment_id)


def recorded(version: entities.model_registry.ModelVersion) -> RecordedVersion:
    """Return a version of MLflow's as ours."""
    return RecordedVersion(
        number=str(version.version),
        run_id=version.run_id or "",
        tags=spread(version.tags),
        created_ms=version.creation_timestamp,
        aliases=tuple(sorted(version.aliases)),
        description=version.description or "",
    )
