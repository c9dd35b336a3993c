"""Pulling a registered version: its sealed folder, whole and verified, in a folder of this machine."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.files.disk.full import full_disk
from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.files.sealed import (
    MANIFEST,
    Manifest,
    check_listing,
    is_sealed,
    read_manifest,
)
from quantgate.pipelines.files.store import open_store
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.registry.file_places import FilePlace
from quantgate.registry.integrity import artifact_named, check_manifest, verified_manifest
from quantgate.registry.opening import open_reader
from quantgate.registry.places.fetching import Fetch
from quantgate.registry.places.opening import open_place
from quantgate.registry.protocol import OpenReader
from quantgate.registry.questions.locating import holds_content
from quantgate.registry.questions.references import resolve
from quantgate.registry.questions.versions import RegisteredVersion
from quantgate.registry.remotes.remote import manifest_name
from quantgate.registry.serving import serving_command
from quantgate.registry.tags import NONE
from quantgate.registry.tracking import Tracking

OnPull = Callable[[int, int], None]
"""Told bytes that are here and verified, and how many there are in all."""

_LONGEST_MANIFEST_BYTES = 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """A version on this machine. `artifact` is what a runtime loads, `command` what serves it."""

    version: RegisteredVersion
    folder: Path
    artifact: Path
    command: str


def pull(
    reference: str, to: Path, *, on_pull: OnPull | None = None, tracking_uri: str | None = None
) -> Pulled:
    """Fetch what a reference (`NAME`, `NAME@ALIAS`, `NAME/VERSION`) means into a folder below `to`.

    Every byte is verified, also of what is there already. An interrupted try goes on where it stopped; the
    folder gets its name when all of it is there. `tracking_uri`: as in `lookup`.

    Raises:
        InputError: a malformed reference, altered tags, or files that are not (or not here) what was
            registered; another folder of that name.
        NotFoundError: no such model, alias or version.
        ServiceError: the registry, or the place of the files, does not answer or refuses.
        ToolchainError: the disk is full.
    """
    tracking = Tracking.resolve(open_store(), uri=tracking_uri)
    return pull_version(reference, to, tracking, on_pull=on_pull or _silent)


def pull_version(
    reference: str,
    to: Path,
    tracking: Tracking,
    *,
    on_pull: OnPull,
    open_reader: OpenReader = open_reader,
) -> Pulled:
    """Return what `pull` does, from the registry that `open_reader` opens."""
    with open_reader(tracking) as reader:
        version = resolve(reader, reference, tracking)
    place = open_place(_address(version), tracking)
    manifest, text = _manifest(version, place)
    target = to.absolute() / PurePosixPath(version.facts.location).name
    to.mkdir(parents=True, exist_ok=True)
    with exclusive(to / f".{target.name}.lock"):
        if is_sealed(target):
            verified_manifest(version, target)
            on_pull(manifest.size_bytes, manifest.size_bytes)
        elif target.exists():
            raise InputError(
                "is there already and is no variant of the registry",
                where=str(target),
                next_step="move it away, or name another folder",
            )
        else:
            _fetch(version, place, manifest, text, target, on_pull)
    artifact = artifact_named(target)
    return Pulled(
        version=version,
        folder=target,
        artifact=artifact,
        command=serving_command(version.facts, artifact),
    )


def _address(version: RegisteredVersion) -> str:
    """Return where files are fetched from: a folder here that holds them, else where they were sent."""
    facts = version.facts
    return facts.location if facts.place == NONE or holds_content(facts) else facts.place


def _manifest(version: RegisteredVersion, place: FilePlace) -> tuple[Manifest[object], bytes]:
    """Return the manifest that was registered, and its text.

    Raises:
        InputError: the place has none, or another one.
    """
    text = _manifest_text(version, place)
    with temporary_folder() as work:
        (work / MANIFEST).write_bytes(text)
        manifest: Manifest[object] = read_manifest(work, object)
    check_manifest(version, manifest, where=f"{version.facts.location}/{MANIFEST}")
    for file in manifest.files:
        name = PurePosixPath(file.path)
        if name.is_absolute() or ".." in name.parts or file.path == MANIFEST:
            raise InputError(
                f"its manifest names {file.path!r}",
                where=version.uri,
                next_step="do not use it: its files would lie elsewhere; run the same build again",
            )
    return manifest, text


def _manifest_text(version: RegisteredVersion, place: FilePlace) -> bytes:
    """Read the manifest by the name that it has in a place; what was sent earlier is called as in a store.

    Raises:
        InputError: the place has none, or it does not end.
    """
    if place.folder is None:
        with suppress(InputError):
            return _short_text(version, place, manifest_name(version.facts.digests.manifest))
    return _short_text(version, place, MANIFEST)


def _short_text(version: RegisteredVersion, place: FilePlace, name: str) -> bytes:
    text = bytearray()
    for piece in place.read(name):
        text += piece
        if len(text) > _LONGEST_MANIFEST_BYTES:
            raise InputError(
                "is no manifest: it does not end",
                where=version.uri,
                next_step="run the same command again",
            )
    return bytes(text)


def _fetch(
    version: RegisteredVersion,
    place: FilePlace,
    manifest: Manifest[object],
    text: bytes,
    target: Path,
    on_pull: OnPull,
) -> None:
    """Fetch all files into a folder beside the target, which stays for the next try where this one fails."""
    partial = target.with_name(f".{target.name}.partial")
    partial.mkdir(exist_ok=True)
    _require_room(manifest, partial)
    here = 0

    def on_bytes(count: int) -> None:
        nonlocal here
        here += count
        on_pull(here, manifest.size_bytes)

    fetch = Fetch(place=place, folder=partial, uri=version.uri, on_bytes=on_bytes)
    try:
        for file in manifest.files:
            fetch.file(file)
        with (partial / MANIFEST).open("wb") as file_of_manifest:
            file_of_manifest.write(text)
            file_of_manifest.flush()
            os.fsync(file_of_manifest.fileno())
        check_listing(partial, manifest)
        partial.rename(target)
        _sync_names(target.parent)
    except OSError as error:
        if full := full_disk(error, partial):
            raise full from error
        raise


def _sync_names(folder: Path) -> None:
    """Let the names in a folder be on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _require_room(manifest: Manifest[object], folder: Path) -> None:
    """Refuse before the first byte what the disk has no room for."""
    here = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    missing = manifest.size_bytes - here
    if missing > (free := shutil.disk_usage(folder).free):
        raise ToolchainError(
            f"{missing:,} bytes are missing, and the disk has {free:,} left",
            where=str(folder.parent),
            next_step="free some space there, or name another folder",
        )


def _silent(_here: int, _total: int) -> None:
    """Say nothing."""
