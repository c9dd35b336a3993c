"""The seams of the registry: what recording writes and what look-ups read."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from quantgate.registry.tracking import Tracking


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInput:
    """One input of a run. `role`: `calibration`, `evaluation` or `traffic`; `sha256`: its whole digest."""

    role: str
    name: str
    sha256: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContent:
    """What a run holds besides its files: MLflow's parameters, metrics and dataset inputs.

    `metrics` were measured on the evaluation data set, where there is one; `build_metrics` are of the making.
    """

    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    inputs: tuple[DatasetInput, ...]
    build_metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """A run as MLflow holds it; `finished` says that all of its content is there."""

    id: str
    finished: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedRun:
    """A finished run and its tags."""

    id: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedVersion:
    """A version of a registered model as MLflow holds it, each tag by its own name (`lineage_tag.spread`).

    `created_ms` is when it was created, in milliseconds since 1970 (UTC), None where nobody asked. `aliases`
    are filled where a single version was asked for, `description` where it was read to be written anew.
    """

    number: str
    run_id: str
    tags: Mapping[str, str]
    created_ms: int | None = None
    aliases: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasChange:
    """An alias that was pointed elsewhere: from one version to another (None: it stood for nothing).

    `at` is UTC in ISO 8601, `reason` a sentence, `actor` who did it (a person or a program).
    """

    alias: str
    before: str | None
    after: str | None
    at: str
    reason: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionQuery:
    """Which versions of a model are asked for: those that have every tag of `tags` with just that text.

    `other_tags` asks for versions that have each of its tags, with a text that is none of those named.
    `wanted` names the tags that are read of each (None: all of them); a reader may return more. The newest
    come first, at most `limit` of them where there is a limit.
    """

    model: str
    tags: Mapping[str, str] = field(default_factory=dict)
    other_tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wanted: tuple[str, ...] | None = None
    limit: int | None = None


class Registry(Protocol):
    """An open MLflow. Every method may raise ServiceError."""

    def experiment(self, name: str) -> str:
        """Return the experiment's id, creating it first if there is none."""
        ...

    def find_run(self, experiment_id: str, evidence_key: str) -> RecordedRun | None:
        """Return the run tagged with this evidence key; a finished one before an unfinished one."""
        ...

    def tagged_runs(self, experiment: str, tags: Mapping[str, str]) -> tuple[TaggedRun, ...]:
        """Return an experiment's finished runs with these tags, newest first; () without experiment."""
        ...

    def first_content(self, suite: str) -> str | None:
        """Return the suite digest of the first finished run (of any model) on `name@version`, if any."""
        ...

    def first_moment(self, experiment_id: str, scope: str) -> int | None:
        """Return when the first finished run of a scope began, in milliseconds since 1970; None of none."""
        ...

    def start_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> RecordedRun:
        """Create an unfinished run."""
        ...

    def fill_run(self, run_id: str, content: RunContent, files: Path) -> None:
        """Log content and a folder of files, metrics of the run's model as well, if it has one.

        Doing it twice leaves the same run.
        """
        ...

    def add_model(self, run_id: str, manifest: Path, work: Path) -> None:
        """Log the loadable model (code and manifest, no weights) that the run makes; once, however often."""
        ...

    def renew_model(self, run_id: str, manifest: Path) -> None:
        """Let a run's model have another manifest."""
        ...

    def finish_run(self, run_id: str) -> None:
        """Mark the run as complete."""
        ...

    def artifact_uri(self, run_id: str) -> str:
        """Return the address below which a run's files lie, as MLflow names it."""
        ...

    def set_run_tag(self, run_id: str, key: str, value: str) -> None:
        """Set one tag of a run."""
        ...

    def versions(self, model: str, tags: Mapping[str, str]) -> tuple[RecordedVersion, ...]:
        """Return all versions with these tags, oldest first; empty where there is no such model."""
        ...

    def create_version(self, model: str, run_id: str, tags: Mapping[str, str]) -> RecordedVersion:
        """Create a version from the run's model, and the registered model first if there is none."""
        ...

    def delete_version(self, model: str, number: str) -> None:
        """Delete a version."""
        ...

    def set_version_tag(self, model: str, number: str, key: str, value: str) -> None:
        """Set one tag of a version."""
        ...

    def delete_version_tag(self, model: str, number: str, key: str) -> None:
        """Remove one tag of a version, if it is there."""
        ...

    def describe_version(self, model: str, number: str, text: str) -> None:
        """Let a version's page say a text, in Markdown."""
        ...

    def describe_model(self, model: str, text: str) -> None:
        """Let a registered model's page say a text, in Markdown."""
        ...

    def add_run_file(self, run_id: str, file: Path) -> None:
        """Keep one more file in a run, whatever lay under its name."""
        ...

    def aliases(self, model: str) -> Mapping[str, str] | None:
        """Return alias -> version number; None where there is no such registered model."""
        ...

    def point_alias(self, model: str, alias: str, number: str | None) -> None:
        """Point an alias at a version; None removes it."""
        ...

    def model_names(self) -> tuple[str, ...]:
        """Return the names of registered models, sorted, at most a thousand."""
        ...

    def model_tags(self, model: str) -> Mapping[str, str] | None:
        """Return the tags of a registered model; None where there is none."""
        ...

    def set_model_tag(self, model: str, key: str, value: str) -> None:
        """Set one tag of a registered model."""
        ...

    def delete_model_tag(self, model: str, key: str) -> None:
        """Remove one tag of a registered model, if it is there."""
        ...


class RegistryReader(Protocol):
    """What can be read of a registry in milliseconds, without MLflow. Every method may raise ServiceError."""

    def run_tags(self, run_id: str) -> Mapping[str, str]:
        """Return the tags of a finished run that was not deleted; empty where there is none."""
        ...

    def version(self, model: str, number: str) -> RecordedVersion | None:
        """Return a version with all its tags and aliases; None where there is none."""
        ...

    def alias_version(self, model: str, alias: str) -> RecordedVersion | None:
        """Return the version that an alias points at, as `version` does."""
        ...

    def versions(self, query: VersionQuery) -> tuple[RecordedVersion, ...]:
        """Return the versions that are asked for, newest first; () where there is no such model."""
        ...

    def aliases(self, model: str) -> Mapping[str, str] | None:
        """Return alias -> version number; None where there is no such registered model."""
        ...

    def alias_changes(self, model: str) -> tuple[AliasChange, ...]:
        """Return how aliases of a model changed, oldest first, as far as it was recorded."""
        ...

    def model_names(self, like: str) -> tuple[str, ...]:
        """Return names of registered models, sorted: those that may be meant by `like` among them."""
        ...

    def tagged_runs(self, experiment: str, tags: Mapping[str, str]) -> tuple[TaggedRun, ...]:
        """Return an experiment's finished runs with these tags, newest first; () without experiment."""
        ...

    def run_file(self, run_id: str, name: str) -> bytes | None:
        """Return a small file that a run keeps; None where there is none, or none that can be reached."""
        ...

    def first_content(self, suite: str) -> str | None:
        """Return the suite digest of the first finished run (of any model) on `name@version`, if any."""
        ...


class OpenReader(Protocol):
    """Opens the registry that a tracking names, to be read."""

    def __call__(self, tracking: Tracking) -> AbstractContextManager[RegistryReader]:
        """Return a reader that is closed when the block ends.

        Raises:
            ServiceError: where the registry does not answer, or refuses.
            NotFoundError: where there is no registry.
        """
        ...


class OpenRegistry(Protocol):
    """Opens the MLflow that a tracking names."""

    def __call__(self, tracking: Tracking) -> Registry:
        """Return an open registry.

        Raises:
            ServiceError: where it does not answer, or its database is damaged.
        """
        ...
