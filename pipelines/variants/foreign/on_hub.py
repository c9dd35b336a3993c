"""Quants on a model hub: `hub:org/name[@revision][:pattern]`, fetched into the store and compared with it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from quantgate.pipelines.checkpoints.listing import refuse_listing
from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.sealed import verify
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.gguf.header import read_gguf_header
from quantgate.pipelines.formats.gguf.parts import first_parts, read_part_name
from quantgate.pipelines.hub.heads import fetched_heads
from quantgate.pipelines.hub.picked import (
    fetched_files,
    matching,
    parse_hub_pattern,
    repository_listing,
)
from quantgate.pipelines.hub.source import (
    CheckpointChecks,
    HubSettings,
    HubSource,
    download,
)
from quantgate.pipelines.hub.transfer import RemoteFile
from quantgate.pipelines.process.calls import OnProgress, ignore_progress
from quantgate.pipelines.specs.foreign import HUB
from quantgate.pipelines.variants.foreign.candidates import (
    GGUF_SUFFIX,
    Candidate,
    model_name,
    nearest_names,
)
from quantgate.pipelines.variants.foreign.folders import refuse_folder, refuse_unloadable

_UNQUANTIZED = re.compile(r"(^|[-_.])(bf16|f16|fp16|f32|fp32)(?=[-_.])", re.IGNORECASE)
_SAFETENSORS = ".safetensors"
FetchFiles = Callable[["HubShelf", HubSource, Sequence[RemoteFile]], "FetchedFiles"]
"""Brings files of one model here, in parts or not."""
_PROJECTOR = re.compile(r"mmproj", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubShelf:
    """Fetches what is asked of a hub; `say` hears what of a pattern is left out, and what is fetched.

    `fetch` brings GGUF files here, or what a plan needs of them. `digest` returns a file's sha256 and
    remembers it.
    """

    fetch: FetchFiles
    store: Store
    hub: HubSettings
    digest: Callable[[Path], Digest]
    say: Callable[[str], None]
    on_progress: OnProgress = ignore_progress

    def candidates(self, text: str) -> tuple[Candidate, ...]:
        """Return what `hub:…` names, fetched.

        Raises:
            InputError: where that is no name of a repository, there is no such one, or nothing in it fits.
            CheckpointError: where the repository holds nothing that could be a quant.
            ServiceError, ToolchainError: where it does not arrive as the hub lists it.
        """
        asked = parse_hub_pattern(text, example="*Q4_K_M.gguf")
        source, pattern = asked.source, asked.pattern
        listing = repository_listing(source, store=self.store, settings=self.hub)
        pinned = HubSource(repository=source.repository, revision=listing.revision)
        ggufs = [file for file in listing.files if file.name.endswith(GGUF_SUFFIX)]
        is_folder = any(file.name.endswith(_SAFETENSORS) for file in listing.files) or not ggufs
        if is_folder and not pattern:
            return (self._folder(pinned, text),)
        fitting = [f.name for f in matching(listing, pattern or "*") if f in ggufs]
        firsts = first_parts(fitting)
        if not firsts or (not pattern and len(firsts) > 1):
            raise _unclear(text, pattern, first_parts(file.name for file in ggufs))
        picked = len(firsts) > 1 or any(sign in pattern for sign in "*?[")
        if picked:
            firsts = tuple(self._quants(firsts, pinned.repository))
        return tuple(self._model(pinned, first, ggufs, picked) for first in firsts)

    def _quants(self, names: Iterable[str], repository: str) -> Iterator[str]:
        """Leave out, before it is fetched, what calls itself no quant."""
        for name in names:
            last = PurePosixPath(name).name
            if unquantized := _UNQUANTIZED.search(last):
                self.say(f"{repository}: {last} is left out, {unquantized[2]} is no quant")
            elif _PROJECTOR.search(last):
                self.say(f"{repository}: {last} is left out, for it is no model of text")
            else:
                yield name

    def _model(
        self, source: HubSource, first: str, ggufs: Sequence[RemoteFile], picked: bool
    ) -> Candidate:
        files = [file for file in ggufs if first_parts([file.name]) == (first,)]
        part = read_part_name(PurePosixPath(first).name)
        if part is not None and len(files) != part.count:
            raise CheckpointError(
                f"has {len(files)} of the {part.count} parts of {first}",
                where=source.repository,
                next_step="look for a whole one in the repository, or tell who published it",
            )
        size = sum(file.size_bytes for file in files)
        self.say(f"{source.repository}: {first}, {size / 1e6:,.1f} MB")
        fetched = self.fetch(self, source, files)
        last = PurePosixPath(first).name
        return Candidate(
            path=fetched.folder / last,
            source=f"{HUB}{source.repository}@{source.revision}:{first}",
            name=model_name(last),
            picked=picked,
            digests=fetched.digests,
        )

    def _folder(self, source: HubSource, text: str) -> Candidate:
        checks = CheckpointChecks(
            names=lambda names, where: refuse_listing(names, where=where),
            small_files=lambda small: refuse_unloadable(small, where=text),
        )
        folder, manifest = download(
            source,
            store=self.store,
            settings=self.hub,
            refusals=checks,
            on_progress=self.on_progress,
        )
        verify(folder, manifest, self.digest)
        refuse_folder(folder, where=text)
        return Candidate(
            path=folder,
            source=f"{HUB}{source.repository}@{source.revision}",
            name=source.repository.rpartition("/")[2],
            picked=False,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedFiles:
    """A folder with files of a hub by their last names; `digests` of those that are not all there."""

    folder: Path
    digests: Mapping[str, Digest] = field(default_factory=dict)


def whole_files(shelf: HubShelf, source: HubSource, files: Sequence[RemoteFile]) -> FetchedFiles:
    """Fetch files, and compare them with what the hub lists.

    Raises:
        InputError, ServiceError, ToolchainError: as `pipelines.hub.picked.fetched_files`.
    """
    folder, manifest = fetched_files(
        source, files, store=shelf.store, settings=shelf.hub, on_progress=shelf.on_progress
    )
    verify(folder, manifest, shelf.digest)
    return FetchedFiles(folder=folder)


def headers_alone(shelf: HubShelf, source: HubSource, files: Sequence[RemoteFile]) -> FetchedFiles:
    """Fetch what a plan reads of GGUF files; small ones, of which a hub lists no sha256, are fetched whole.

    Raises:
        InputError, ServiceError, ToolchainError: as `whole_files`.
    """
    if any(file.sha256 is None for file in files):
        return whole_files(shelf, source, files)
    folder = fetched_heads(source, files, _header_end, store=shelf.store, settings=shelf.hub)
    return FetchedFiles(
        folder=folder,
        digests={PurePosixPath(f.name).name: Digest(f.sha256) for f in files if f.sha256},
    )


def _header_end(file: Path) -> int:
    tensors = read_gguf_header(file).tensors
    return min((tensor.start for tensor in tensors), default=0)


def _unclear(text: str, pattern: str, names: Sequence[str]) -> InputError:
    what = (
        f"no GGUF file matches '{pattern}'"
        if pattern
        else f"holds {len(names)} GGUF models, and no pattern says which are meant"
    )
    return InputError(
        what,
        where=text,
        next_step=f"add a pattern, e.g. ':*Q4_K_M.gguf'; {nearest_names(pattern, names)}",
    )
