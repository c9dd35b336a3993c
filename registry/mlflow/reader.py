"""A registry read through MLflow's own client, where nothing quicker knows it."""

from collections.abc import Mapping
from pathlib import Path

from mlflow.exceptions import MlflowException
from typing_extensions import override

from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.registry.mlflow.client import MlflowRegistry, recorded
from quantgate.registry.mlflow.connection import translated
from quantgate.registry.mlflow.writing import ABSENT
from quantgate.registry.protocol import (
    AliasChange,
    RecordedVersion,
    RegistryReader,
    TaggedRun,
    VersionQuery,
)
from quantgate.registry.reading.alias_changes import changes_of


class MlflowReader(RegistryReader):
    """Reads what a connected client can reach."""

    def __init__(self, registry: MlflowRegistry) -> None:
        """Nothing is asked yet."""
        self._registry = registry
        self._client = registry.client

    @override
    def run_tags(self, run_id: str) -> Mapping[str, str]:
        with translated(self._registry.tracking):
            try:
                run = self._client.get_run(run_id)
            except MlflowException as error:
                if error.error_code in ABSENT:
                    return {}
                raise
        finished = (run.info.status, run.info.lifecycle_stage) == ("FINISHED", "active")
        return dict(run.data.tags) if finished else {}

    @override
    def version(self, model: str, number: str) -> RecordedVersion | None:
        with translated(self._registry.tracking):
            try:
                return recorded(self._client.get_model_version(model, number))
            except MlflowException as error:
                if error.error_code in ABSENT:
                    return None
                raise

    @override
    def alias_version(self, model: str, alias: str) -> RecordedVersion | None:
        number = (self._registry.aliases(model) or {}).get(alias)
        return self.version(model, number) if number is not None else None

    @override
    def versions(self, query: VersionQuery) -> tuple[RecordedVersion, ...]:
        passing = self._registry.versions(query.model, query.tags)
        others = query.other_tags.items()
        asked = [
            version
            for version in reversed(passing)
            if all(version.tags.get(key) not in (None, *texts) for key, texts in others)
        ]
        return tuple(asked[: query.limit])

    @override
    def aliases(self, model: str) -> Mapping[str, str] | None:
        return self._registry.aliases(model)

    @override
    def alias_changes(self, model: str) -> tuple[AliasChange, ...]:
        with translated(self._registry.tracking):
            return changes_of(self._client.get_registered_model(model).tags)

    @override
    def model_names(self, like: str) -> tuple[str, ...]:
        return self._registry.model_names()

    @override
    def tagged_runs(self, experiment: str, tags: Mapping[str, str]) -> tuple[TaggedRun, ...]:
        return self._registry.tagged_runs(experiment, tags)

    @override
    def run_file(self, run_id: str, name: str) -> bytes | None:
        with translated(self._registry.tracking), temporary_folder() as folder:
            try:
                return Path(self._client.download_artifacts(run_id, name, str(folder))).read_bytes()
            except (MlflowException, OSError):
                return None

    @override
    def first_content(self, suite: str) -> str | None:
        return self._registry.first_content(suite)
