"""Which revision a followed source is at: a hub repository's commit, a folder's content."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from huggingface_hub import HfApi

from quantgate.flows.releases.patterns import ListedModel
from quantgate.pipelines.checkpoints.digests import checkpoint_digests
from quantgate.pipelines.domain.checkpoint import CheckpointDigests
from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.files.hashing import DigestMemory
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.errors import hub_errors
from quantgate.pipelines.hub.listing import Listing
from quantgate.pipelines.hub.picked import repository_listing
from quantgate.pipelines.hub.source import HubSettings, HubSource

_ANSWER_SECONDS = 30.0


class Hub(Protocol):
    """A model hub that can be asked where a branch stands."""

    def revision(self, source: HubSource) -> str:
        """Return the commit (40 hexadecimal digits).

        Raises:
            InputError: no such repository or branch.
            ServiceError: it did not answer, or refused.
        """
        ...

    def listing(self, source: HubSource) -> Listing:
        """Return every file of a pinned revision with its size and checksum.

        Raises:
            InputError, ServiceError: as `revision`.
        """
        ...

    def models(self, author: str, pipeline: str | None) -> tuple[ListedModel, ...]:
        """Return what a hub lists of one owner, all pages of it.

        Raises:
            ServiceError: it did not answer, refused, or asks to be left alone for a while (`transient`).
        """
        ...


class HuggingFaceHub:
    """A hub that speaks Hugging Face's API."""

    def __init__(self, settings: HubSettings, store: Store) -> None:
        """Ask this endpoint, with this token if any; the store remembers what commits hold."""
        self._settings, self._store = settings, store

    def revision(self, source: HubSource) -> str:
        """Return the commit; one small request."""
        settings = self._settings
        api = HfApi(endpoint=settings.endpoint, token=settings.token)
        with hub_errors(source.repository, source.revision, settings.endpoint):
            head = api.model_info(
                source.repository,
                revision=source.revision,
                expand=["sha", "lastModified"],
                timeout=_ANSWER_SECONDS,
            )
        if not head.sha:
            raise ServiceError(
                "the hub named no commit",
                where=source.repository,
                transient=True,
                next_step="ask the hub again",
            )
        return head.sha

    def listing(self, source: HubSource) -> Listing:
        """Return every file of a pinned revision; one request, once."""
        return repository_listing(source, store=self._store, settings=self._settings)

    def models(self, author: str, pipeline: str | None) -> tuple[ListedModel, ...]:
        """Return what the hub lists of one owner; huggingface-hub follows the pages."""
        settings = self._settings
        api = HfApi(endpoint=settings.endpoint, token=settings.token)
        with hub_errors(author, "", settings.endpoint):
            return tuple(
                ListedModel(
                    repository=model.id,
                    tags=tuple(model.tags or ()),
                    pipeline=model.pipeline_tag,
                )
                for model in api.list_models(author=author, pipeline_tag=pipeline)
            )


def folder_digests(folder: Path, store: Store) -> CheckpointDigests:
    """Return the digests of the checkpoint in a folder: weights, tokenizer, chat template, config.

    Weights are hashed again only when a size or modification time changed.

    Raises:
        InputError: there is no such folder.
        CheckpointError: it holds no whole checkpoint.
        ServiceError: (transient) somebody is writing into it.
    """
    if not folder.is_dir():
        raise InputError(
            "there is no such folder",
            where=str(folder),
            next_step="mend `folder:` in the releases file",
        )
    with lying_still(folder):
        before = _signature(folder)
        digests = checkpoint_digests(folder, DigestMemory(store.digest_memory).digest)
        if _signature(folder) != before:
            raise _written_to(folder)
    return digests


@contextmanager
def lying_still(place: Path) -> Iterator[None]:
    """Read files that were listed; one that is gone again was renamed or removed meanwhile.

    Raises:
        ServiceError: (transient) somebody is writing into `place`.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise _written_to(Path(error.filename or place)) from error


def _written_to(place: Path) -> ServiceError:
    return ServiceError(
        "is being written to",
        where=str(place),
        transient=True,
        next_step="wait until nobody writes to it: it is looked at again",
    )


def _signature(folder: Path) -> tuple[tuple[str, int, int], ...]:
    return tuple(
        (path.name, stat.st_size, stat.st_mtime_ns)
        for path in sorted(folder.iterdir())
        if (stat := path.stat())
    )
