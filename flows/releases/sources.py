"""Which revision a followed source is at: a hub repository's commit, a folder's content."""

from pathlib import Path
from typing import Protocol

from huggingface_hub import HfApi

from quantgate.pipelines.checkpoints.digests import checkpoint_digests
from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.files.hashing import DigestMemory
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.errors import hub_errors
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


class HuggingFaceHub:
    """A hub that speaks Hugging Face's API."""

    def __init__(self, settings: HubSettings) -> None:
        """Ask this endpoint, with this token if any."""
        self._settings = settings

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
            raise ServiceError("the hub named no commit", where=source.repository, transient=True)
        return head.sha


def folder_revision(folder: Path, store: Store) -> str:
    """Return the digest of the checkpoint in a folder: weights, tokenizer, chat template, config.

    Weights are hashed again only when a size or modification time changed.

    Raises:
        InputError: there is no such folder.
        CheckpointError: it holds no whole checkpoint.
        ServiceError: (transient) somebody is writing into it.
    """
    if not folder.is_dir():
        raise InputError("there is no such folder", where=str(folder))
    before = _signature(folder)
    digests = checkpoint_digests(folder, DigestMemory(store.digest_memory).digest)
    if _signature(folder) != before:
        raise ServiceError("is being written to", where=str(folder), transient=True)
    return digests.combined


def _signature(folder: Path) -> tuple[tuple[str, int, int], ...]:
    return tuple(
        (path.name, stat.st_size, stat.st_mtime_ns)
        for path in sorted(folder.iterdir())
        if (stat := path.stat())
    )
