"""The seam to MLflow: the few operations that recording and look-ups need."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    """What a run holds besides its files: MLflow's parameters, metrics and dataset inputs."""

    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    inputs: tuple[DatasetInput, ...]


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
    """A version of a registered model as MLflow holds it."""

    number: str
    run_id: str
    tags: Mapping[str, str]


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

    def start_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> RecordedRun:
        """Create an unfinished run."""
        ...

    def fill_run(self, run_id: str, content: RunContent, files: Path) -> None:
        """Log content and a folder of files; doing it twice leaves the same run."""
        ...

    def add_model(self, run_id: str, manifest: Path, work: Path) -> None:
        """Log the loadable model (code and manifest, no weights) under `model/` of the run."""
        ...

    def finish_run(self, run_id: str) -> None:
        """Mark the run as complete."""
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

    def aliases(self, model: str) -> Mapping[str, str] | None:
        """Return alias -> version number; None where there is no such registered model."""
        ...

    def point_alias(self, model: str, alias: str, number: str | None) -> None:
        """Point an alias at a version; None removes it."""
        ...

    def model_names(self) -> tuple[str, ...]:
        """Return the names of registered models, sorted, at most a thousand."""
        ...


class RegistryReader(Protocol):
    """What can be read of a registry in milliseconds. Every method may raise ServiceError.

    Tags are empty where there is no such thing.
    """

    def run_tags(self, run_id: str) -> Mapping[str, str]:
        """Return the tags of a finished run that was not deleted."""
        ...

    def version_tags(self, model: str, number: str) -> Mapping[str, str]:
        """Return the tags of a version that was not deleted."""
        ...

    def alias_tags(self, model: str, alias: str) -> Mapping[str, str]:
        """Return the tags of the version that an alias points at."""
        ...

    def first_content(self, suite: str) -> str | None:
        """Return the suite digest of the first finished run (of any model) on `name@version`, if any."""
        ...


class OpenRegistry(Protocol):
    """Opens the MLflow that a tracking names."""

    def __call__(self, tracking: Tracking) -> Registry:
        """Return an open registry.

        Raises:
            ServiceError: where it does not answer, or its database is damaged.
        """
        ...


def smallest(versions: tuple[RecordedVersion, ...]) -> RecordedVersion | None:
    """Return the version with the fewest bytes; None of none.

    Of equals the one judged with a full-precision KV cache, as a server that is told nothing has it; then
    the newest.
    """
    return min(
        versions,
        key=lambda version: (
            int(version.tags["size_bytes"]),
            not version.tags.get("numerics", "").endswith("/KV16"),
            -int(version.number),
        ),
        default=None,
    )
