"""Quants on a model hub: `hub:org/name[@revision][:pattern]`, fetched into the store and compared with it."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from quantgate.pipelines.checkpoints.listing import refuse_listing
from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.sealed import verify
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.gguf_parts import read_part_name
from quantgate.pipelines.hub.picked import fetched_files, matching, repository_listing
from quantgate.pipelines.hub.source import (
    CheckpointChecks,
    HubSettings,
    HubSource,
    download,
    parse_hub_source,
)
from quantgate.pipelines.hub.transfer import RemoteFile
from quantgate.pipelines.process.calls import OnProgress, ignore_progress
from quantgate.pipelines.specs.foreign import HUB
from quantgate.pipelines.variants.foreign.candidates import (
    GGUF_SUFFIX,
    Candidate,
    first_parts,
    model_name,
    nearest_names,
)
from quantgate.pipelines.variants.foreign.folders import refuse_folder, refuse_unloadable

_UNQUANTIZED = re.compile(r"(^|[-_.])(bf16|f16|fp16|f32|fp32)(?=[-_.])", re.IGNORECASE)
_SAFETENSORS = ".safetensors"
_PROJECTOR = re.compile(r"mmproj", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubShelf:
    """Fetches what is asked of a hub; `say` hears what of a pattern is left out, and what is fetched.

    `digest` returns a file's sha256 and remembers it.
    """

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
        name, _, pattern = text.removeprefix(HUB).partition(":")
        source = parse_hub_source(name)
        if source is None:
            raise InputError(
                "is not hub:org/name[@revision][:pattern]",
                where=text,
                next_step="name a repository, e.g. 'hub:org/model-GGUF:*Q4_K_M.gguf'",
            )
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
                f"has {len(files)} of the {part.count} parts of {first}", where=source.repository
            )
        size = sum(file.size_bytes for file in files)
        self.say(f"{source.repository}: {first}, {size / 1e6:,.1f} MB")
        folder, manifest = fetched_files(
            source, files, store=self.store, settings=self.hub, on_progress=self.on_progress
        )
        verify(folder, manifest, self.digest)
        last = PurePosixPath(first).name
        return Candidate(
            path=folder / last,
            source=f"{HUB}{source.repository}@{source.revision}:{first}",
            name=model_name(last),
            picked=picked,
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
