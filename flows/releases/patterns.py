"""Entries that follow many repositories: `org/*`, narrowed by tags, pipeline, licence and size."""

import fnmatch
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from quantgate.flows.releases.watch_list import Followed, ModelLimits
from quantgate.pipelines.hub.parts import part_of
from quantgate.pipelines.hub.source import HubSource
from quantgate.pipelines.hub.transfer import RemoteFile

_LICENCE = "license:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """A model as a hub's listing has it."""

    repository: str
    tags: tuple[str, ...]
    pipeline: str | None


def fits(model: ListedModel, pattern: str, limits: ModelLimits) -> bool:
    """Whether a listed model is one that an entry follows, as far as a listing tells."""
    if not fnmatch.fnmatchcase(model.repository, pattern):
        return False
    if limits.pipeline is not None and model.pipeline != limits.pipeline:
        return False
    if not set(limits.tags) <= set(model.tags):
        return False
    licences = {tag.removeprefix(_LICENCE) for tag in model.tags if tag.startswith(_LICENCE)}
    return not limits.licences or bool(licences & set(limits.licences))


def entries_of(
    followed: Followed, models: Iterable[ListedModel], taken: frozenset[str]
) -> Iterator[Followed]:
    """Yield an entry for each repository that a pattern means; `taken` have entries of their own."""
    for model in models:
        if model.repository not in taken and fits(model, followed.label, followed.limits):
            yield replace(
                followed,
                label=model.repository,
                hub=HubSource(repository=model.repository),
                pattern=None,
            )


def is_too_large(files: Iterable[RemoteFile], limits: ModelLimits) -> bool:
    """Whether what would be fetched of a revision is more than an entry takes."""
    if limits.max_gigabytes is None:
        return False
    size = sum(file.size_bytes for file in files if part_of(file.name) is not None)
    return size > limits.max_gigabytes * 1e9
