"""Where a registered version's files lie on this machine: found by content, whatever path was registered.

A store may have been moved, copied, or be another one that built the very same files. Its folders are named
by what their files are made from, so the registered name is looked at first. Bytes that are the same although
they were made otherwise have another name: of those, folders whose files have the registered size are read.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from quantgate.pipelines.files.store import MANIFEST, Store
from quantgate.registry.facts import VersionFacts
from quantgate.registry.questions.sealed_listings import sealed_listing


def located(facts: VersionFacts, store: Store) -> VersionFacts:
    """Return facts whose paths, and whose manifest's digest, are those of the same content in `store`.

    So in another folder than the registered one the files alone are held against what was registered.

    Where it holds none they stay as they are, and so does an artifact that lies outside its own folder:
    `verify` refuses it. A manifest also says how long building took, so each build has its own.
    """
    registered, artifact = Path(facts.location), Path(facts.artifact)
    if not artifact.is_relative_to(registered):
        return facts
    for folder in _candidates(facts, store):
        listing = sealed_listing(folder)
        if listing is not None and listing.files_digest == facts.digests.files:
            if folder == registered:
                return facts
            return replace(
                facts,
                location=str(folder),
                artifact=str(folder / artifact.relative_to(registered)),
                digests=replace(facts.digests, manifest=listing.manifest_digest),
            )
    return facts


def holds_content(facts: VersionFacts) -> bool:
    """Whether the folder that facts name is on this machine, and says that it holds the registered files."""
    listing = sealed_listing(Path(facts.location))
    return listing is not None and listing.files_digest == facts.digests.files


def _candidates(facts: VersionFacts, store: Store) -> Iterator[Path]:
    """Yield the folder of the registered name, then those of other names whose files have the same size."""
    named = store.variants / Path(facts.location).name
    yield named
    if holds_content(facts):
        return  # where it was registered: nothing has to be searched
    try:
        by_size = _folders_by_size(store.variants, store.variants.stat().st_mtime_ns)
    except OSError:
        return
    yield from (folder for folder in by_size.get(facts.size_bytes, ()) if folder != named)


@lru_cache(maxsize=4)
def _folders_by_size(variants: Path, _changed_ns: int) -> Mapping[int, tuple[Path, ...]]:
    """Return the sealed folders of a store by size, looked at once until one is added or removed."""
    folders: dict[int, tuple[Path, ...]] = {}
    for folder in sorted(variants.iterdir()):
        if not folder.name.startswith("."):
            size = _size_of(folder)
            folders[size] = (*folders.get(size, ()), folder)
    return folders


def _size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder, its manifest aside."""
    manifest = folder / MANIFEST
    files = (Path(at, name) for at, _, names in os.walk(folder) for name in names)
    return sum(path.lstat().st_size for path in files if path != manifest)
