"""Single files of a repository on a hub, picked by name and sealed in the store."""

import fnmatch
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.files.records import read_record, write_record
from quantgate.pipelines.files.sealed import Manifest, produce_once
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.downloads import Download
from quantgate.pipelines.hub.errors import hub_errors
from quantgate.pipelines.hub.held import lay_held_files
from quantgate.pipelines.hub.listing import Listing, list_files
from quantgate.pipelines.hub.source import HubSettings, HubSource, parse_hub_source
from quantgate.pipelines.hub.transfer import LIBRARY, RemoteFile, fetch, move_in
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.specs.foreign import HUB

_KEY_LENGTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class HubPattern:
    """`hub:org/name[@revision][:pattern]`; `named` is what stands before the pattern, which may be empty."""

    named: str
    source: HubSource
    pattern: str


def parse_hub_pattern(text: str, *, example: str) -> HubPattern:
    """Read a text that begins with `hub:`; `example` is a pattern that a user may want there.

    Raises:
        InputError: where it names no repository.
    """
    named, _, pattern = text.removeprefix(HUB).partition(":")
    source = parse_hub_source(named)
    if source is None:
        raise InputError(
            "is not hub:org/name[@revision][:pattern]",
            where=text,
            next_step=f"name a repository, e.g. 'hub:org/model-GGUF:{example}'",
        )
    return HubPattern(named=named, source=source, pattern=pattern)


def repository_listing(source: HubSource, *, store: Store, settings: HubSettings) -> Listing:
    """Return what a revision holds; of a pinned one the hub is asked once.

    Raises:
        InputError: no such repository or revision.
        ServiceError: the hub does not answer, or names files outside of the repository.
    """
    memory = store.downloads(source.repository) / f"{source.revision}.files.json"
    if source.is_pinned and memory.is_file():
        return read_record(Listing, memory)
    with hub_errors(source.repository, source.revision, settings.endpoint):
        from huggingface_hub import HfApi

        api = HfApi(endpoint=settings.endpoint, token=settings.token, library_name=LIBRARY)
        listing = list_files(api, source.repository, source.revision)
    for file in listing.files:
        _refuse_path_elsewhere(file.name, source.repository)
    if source.is_pinned:
        write_record(memory, listing)
    return listing


def matching(listing: Listing, pattern: str) -> tuple[RemoteFile, ...]:
    """Return the files whose path, or name in whatever folder, fits a pattern (`*Q4*.gguf`), by name."""
    fitting = (
        file
        for file in listing.files
        if fnmatch.fnmatchcase(file.name, pattern)
        or fnmatch.fnmatchcase(PurePosixPath(file.name).name, pattern)
    )
    return tuple(sorted(fitting, key=lambda file: file.name))


def fetched_files(
    source: HubSource,
    files: Sequence[RemoteFile],
    *,
    store: Store,
    settings: HubSettings,
    on_progress: OnProgress,
) -> tuple[Path, Manifest[Download]]:
    """Return a sealed folder with these files of a pinned revision, by their last names, and its manifest.

    An interrupted download goes on where it stopped.

    Raises:
        InputError: two of the files have one name.
        ServiceError, ToolchainError: as `pipelines.hub.source.download`.
    """
    names = {file.name: PurePosixPath(file.name).name for file in files}
    listed = list(names.values())
    if len(set(listed)) < len(listed):
        twice = max(listed, key=listed.count)
        raise InputError(
            f"has {twice} in two folders",
            where=source.repository,
            next_step="name one of the two by its whole path",
        )
    key = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()
    folder = store.downloads(source.repository) / f"{source.revision}-{key[:_KEY_LENGTH]}"
    commit = settings.commit(source.repository, source.revision)

    def produce(staging: Path) -> Download:
        partial = folder.parent / f".{folder.name}.partial"
        with hub_errors(source.repository, source.revision, settings.endpoint):
            lay_held_files(files, store, partial)
            fetch(commit, files, partial, on_progress)
        move_in(names, partial, staging)
        return settings.download(source.repository, source.revision)

    return folder, produce_once(folder, Download, produce)


def _refuse_path_elsewhere(name: str, repository: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not name.isprintable():
        raise ServiceError(
            f"lists a file by a path that leaves it ({name!r})",
            where=repository,
            next_step="do not use this repository, and tell the hub of it",
        )
