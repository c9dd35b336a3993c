"""Headers and configuration of a checkpoint on a hub: what shapes tell, without fetching a weight."""

import struct
from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.files.sealed import is_sealed
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.heads import fetched_heads
from quantgate.pipelines.hub.picked import repository_listing
from quantgate.pipelines.hub.source import HubSettings, HubSource

_WEIGHTS, _INDEX = ".safetensors", "model.safetensors.index.json"
_WHOLE = ("config.json", _INDEX, "tokenizer_config.json")
_LENGTH_BYTES = 8


def glanced_folder(source: HubSource, *, store: Store, settings: HubSettings) -> Path:
    """Return a folder with the configuration of a revision and the headers of its weights.

    A revision that was downloaded already is taken as it lies in the store.

    Raises:
        InputError: no such repository or revision.
        CheckpointError: where it holds no safetensors checkpoint.
        ServiceError: the hub does not answer.
    """
    if source.is_pinned and is_sealed(store.download(source.repository, source.revision)):
        return store.download(source.repository, source.revision)
    listing = repository_listing(source, store=store, settings=settings)
    here = [file for file in listing.files if "/" not in file.name]
    files = [file for file in here if file.name in _WHOLE or file.name.endswith(_WEIGHTS)]
    if not any(file.name.endswith(_WEIGHTS) for file in files):
        raise CheckpointError(
            "holds no safetensors weights",
            where=source.repository,
            next_step="name a repository with config.json and model.safetensors",
        )
    pinned = HubSource(repository=source.repository, revision=listing.revision)
    return fetched_heads(pinned, files, _header_end, store=store, settings=settings)


def _header_end(file: Path) -> int:
    """Return behind which byte the header of a safetensors file ends; of other files all is header."""
    if not file.name.removesuffix(".part").endswith(_WEIGHTS):
        return file.stat().st_size
    with file.open("rb") as opened:
        lead = opened.read(_LENGTH_BYTES)
    if len(lead) < _LENGTH_BYTES:
        raise CheckpointError(
            "is no safetensors file",
            where=str(file),
            next_step="look at the file on the hub: it is empty or damaged there",
        )
    length: int = struct.unpack("<Q", lead)[0]
    return _LENGTH_BYTES + length
