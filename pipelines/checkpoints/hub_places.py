"""`hub:org/name[@revision][:pattern]` as a base: a checkpoint of that name, or a GGUF model, fetched."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from quantgate.pipelines.checkpoints.tools import GGUF_SUFFIX
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.hashing import DigestMemory
from quantgate.pipelines.files.sealed import verify
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.gguf.parts import first_parts
from quantgate.pipelines.hub.picked import (
    fetched_files,
    matching,
    parse_hub_pattern,
    repository_listing,
)
from quantgate.pipelines.hub.source import HubSettings, HubSource
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.specs.foreign import HUB

_SAFETENSORS = ".safetensors"
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class HubPlace:
    """What a place on a hub is: `gguf` is the file of a model, of parts the first, None for a folder.

    `source` is what the base is said to come from.
    """

    source: str
    gguf: Path | None


def hub_place(text: str, *, store: Store, hub: HubSettings, on_progress: OnProgress) -> HubPlace:
    """Return what a text that begins with `hub:` means; the GGUF model that it names is fetched.

    Raises:
        InputError: where it is no name of a repository, there is no such one, or not one GGUF model fits.
        ServiceError, ToolchainError: as `pipelines.hub.picked.fetched_files`.
    """
    asked = parse_hub_pattern(text, example="*F16.gguf")
    source, pattern = asked.source, asked.pattern
    listing = repository_listing(source, store=store, settings=hub)
    if not pattern and any(file.name.endswith(_SAFETENSORS) for file in listing.files):
        return HubPlace(source=asked.named, gguf=None)
    ggufs = [file for file in listing.files if file.name.endswith(GGUF_SUFFIX)]
    fitting = [file.name for file in matching(listing, pattern or "*") if file in ggufs]
    models = first_parts(fitting)
    if len(models) != 1:
        raise _unclear(text, len(models), first_parts(file.name for file in ggufs))
    pinned = HubSource(repository=source.repository, revision=listing.revision)
    parts = [file for file in ggufs if first_parts([file.name]) == models]
    folder, manifest = fetched_files(
        pinned, parts, store=store, settings=hub, on_progress=on_progress
    )
    verify(folder, manifest, DigestMemory(store.digest_memory).digest)
    return HubPlace(
        source=f"{HUB}{pinned.repository}@{pinned.revision}:{models[0]}",
        gguf=folder / PurePosixPath(models[0]).name,
    )


def _unclear(text: str, fitting: int, there: tuple[str, ...]) -> InputError:
    named = ", ".join(there[:_SHOWN]) or "none"
    more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
    return InputError(
        f"{fitting} GGUF models fit, and a base is one",
        where=text,
        next_step=f"add a pattern that fits one, e.g. ':*F16.gguf'; there are {named}{more}",
    )
