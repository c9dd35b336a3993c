"""Checkpoints from a Hugging Face hub: one revision, sealed in the store, equal to the hub's checksums."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from quantgate.pipelines.domain.secrets import without_userinfo
from quantgate.pipelines.files.sealed import Manifest, is_sealed, produce_once, read_sealed
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.downloads import Download
from quantgate.pipelines.hub.errors import hub_errors
from quantgate.pipelines.hub.held import lay_held_files
from quantgate.pipelines.hub.listing import COMMIT, Listing, list_files
from quantgate.pipelines.hub.parts import WEIGHTS, part_of
from quantgate.pipelines.hub.transfer import LIBRARY, Commit, fetch, move_in
from quantgate.pipelines.process.calls import OnProgress, ignore_progress

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_SOURCE = re.compile(r"^(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?$", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSettings:
    """Which hub, and as whom; without a token huggingface-hub uses HF_TOKEN or a stored login."""

    endpoint: str = "https://huggingface.co"
    token: str | None = field(default=None, repr=False)

    def commit(self, repository: str, revision: str) -> Commit:
        """Return a commit of a repository on this hub."""
        return Commit(
            endpoint=self.endpoint, repository=repository, revision=revision, token=self.token
        )

    def download(self, repository: str, revision: str) -> Download:
        """Return what the manifest of a download from this hub says."""
        return Download(
            repository=repository, revision=revision, endpoint=without_userinfo(self.endpoint)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    """`org/name`, and a revision: branch, tag or commit."""

    repository: str
    revision: str = "main"

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit and can never mean anything else."""
        return bool(COMMIT.match(self.revision))


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointChecks:
    """What a repository is looked through for before its weights are fetched; each raises CheckpointError.

    `names` takes the names of its files and where they stand, `small_files` the folder of those that are no
    weights.
    """

    names: Callable[[Iterable[str], str], None]
    small_files: Callable[[Path], None]


def parse_hub_source(text: str) -> HubSource | None:
    """Return the hub source that a text names, None where it can be none."""
    match = _SOURCE.match(text)
    if match is None or text.startswith(("./", "../")):
        return None
    return HubSource(repository=match["repository"], revision=match["revision"] or "main")


def download(
    source: HubSource,
    *,
    store: Store,
    settings: HubSettings,
    refusals: CheckpointChecks,
    on_progress: OnProgress,
) -> tuple[Path, Manifest[Download]]:
    """Return the sealed folder of the revision and its manifest, downloading it first if need be.

    A pinned revision that is already there costs no request. An interrupted download goes on where it
    stopped. Weights that another download holds are not fetched again.

    Raises:
        InputError: no such repository or revision.
        CheckpointError: the repository holds nothing this program accepts.
        ServiceError: the hub does not answer, refuses, or sent other bytes than it lists.
    """
    if source.is_pinned:
        folder = store.download(source.repository, source.revision)
        if is_sealed(folder):
            return folder, read_sealed(folder, Download)
    with hub_errors(source.repository, source.revision, settings.endpoint):
        from huggingface_hub import HfApi

        api = HfApi(endpoint=settings.endpoint, token=settings.token, library_name=LIBRARY)
        listing = _wanted(api, source, refusals)
    revision, files = listing.revision, listing.files
    commit = settings.commit(source.repository, revision)
    folder = store.download(source.repository, revision)

    def produce(staging: Path) -> Download:
        # Beside the staging folder, which does not outlive a failure: what was fetched shall.
        partial = folder.parent / f".{revision}.partial"
        with hub_errors(source.repository, source.revision, settings.endpoint):
            small = [file for file in files if not WEIGHTS.match(file.name)]
            fetch(commit, small, partial, ignore_progress)
            refusals.small_files(partial)
            lay_held_files(files, store, partial)
            fetch(commit, files, partial, on_progress)
        move_in({file.name: file.name for file in files}, partial, staging)
        return settings.download(source.repository, revision)

    return folder, produce_once(folder, Download, produce)


def _wanted(api: "HfApi", source: HubSource, refusals: CheckpointChecks) -> Listing:
    """Return the revision with those of its files that make a checkpoint."""
    listing = list_files(api, source.repository, source.revision)
    names = [file.name for file in listing.files]
    refusals.names(names, f"{source.repository}@{listing.revision}")
    files = tuple(file for file in listing.files if part_of(file.name) is not None)
    return replace(listing, files=files)
