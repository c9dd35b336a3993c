"""Whose name is it: a registered model is of one base, in whatever revisions."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.registry.opening import open_light_reader
from quantgate.registry.protocol import RecordedVersion, RegistryReader, VersionQuery
from quantgate.registry.tracking import Tracking

OpenLight = Callable[[Tracking], AbstractContextManager[RegistryReader | None]]
"""Opens what can be read without MLflow."""

_MOST_VERSIONS = 50
_WANTED = ("version_key", "source", "base_weights_digest")


def other_base(
    checkpoint: Checkpoint, tracking: Tracking, *, open_reader: OpenLight = open_light_reader
) -> str | None:
    """Return the source of another base that has a checkpoint's name; None where it is free, or its own.

    Its own are versions of the same weights, repository or folder. What can only be asked through MLflow is
    taken for free.

    Raises:
        ServiceError, ToolchainError: the registry cannot be asked.
    """
    if tracking.database is not None and not tracking.database.is_file():
        return None
    query = VersionQuery(model=checkpoint.name, wanted=_WANTED, limit=_MOST_VERSIONS)
    with open_reader(tracking) as reader:
        versions = reader.versions(query) if reader is not None else ()
    ours = [version for version in versions if "version_key" in version.tags]
    if not ours or any(_is_same(version, checkpoint) for version in ours):
        return None
    return ours[0].tags.get("source", "unknown")


def _is_same(version: RecordedVersion, checkpoint: Checkpoint) -> bool:
    source = version.tags.get("source", "")
    return (
        version.tags.get("base_weights_digest") == checkpoint.digests.weights
        or source == checkpoint.source
        or (
            _repository(source) is not None
            and _repository(source) == _repository(checkpoint.source)
        )
    )


def _repository(source: str) -> str | None:
    """Return the repository of `org/name@revision` or `hub:org/name@revision:file`; None of a path."""
    return None if source.startswith("/") else source.removeprefix("hub:").partition("@")[0]
