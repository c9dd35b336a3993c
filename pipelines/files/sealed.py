"""Sealed folders: made in a staging sibling, manifest written last, renamed. A manifest means complete.

A sealed folder is immutable, and what its manifest names is all there is: `manifest.json` lists every file
with size and sha256 beside the record that describes the content, and has a digest over both. A file that
was added, an altered one and an edited record are refused alike. Staging folders left by a killed process
are removed by the next producer of the same folder, which holds the folder's lock and so knows that their
owner is gone.
"""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import Digest, folder_digest
from quantgate.pipelines.files.disk.full import full_disk
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.files.records import (
    checksum,
    read_json,
    read_record,
    to_json,
    write_record,
)
from quantgate.pipelines.files.second_level import look, turn_of, while_waiting
from quantgate.pipelines.files.store import MANIFEST

__all__ = [
    "MANIFEST", "Manifest", "SealedFile", "check_listing", "held", "is_sealed", "is_sealed_anywhere",
    "produce_once", "put_in_place", "read_manifest", "read_sealed", "seal", "staged", "verify",
]  # fmt: skip

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """One file of a sealed folder; `path` is relative, with forward slashes."""

    path: str
    size_bytes: int
    sha256: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Generic[Record]):
    """What stands in `manifest.json`; `digest` is the checksum of its `record` and `files`."""

    record: Record
    files: tuple[SealedFile, ...]
    digest: Digest

    @property
    def files_digest(self) -> Digest:
        """One digest over all files."""
        return folder_digest((file.path, file.sha256) for file in self.files)

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)


def is_sealed(folder: Path) -> bool:
    """Whether the folder is complete."""
    return (folder / MANIFEST).is_file()


def is_sealed_anywhere(folder: Path) -> bool:
    """Whether the folder is complete, here or on another host that shares it: then it is fetched.

    Raises:
        ToolchainError: this machine's disk is full.
    """
    if not is_sealed(folder):
        look(folder)
    return is_sealed(folder)


def read_manifest(folder: Path, record_type: type[Record]) -> Manifest[Record]:
    """Read a sealed folder's manifest.

    Raises:
        InputError: where it is missing or damaged, or was edited.
    """
    path = folder / MANIFEST
    manifest: Manifest[Record] = read_record(Manifest[record_type], path)  # type: ignore[valid-type]
    written = read_json(path)
    if checksum([written["record"], written["files"]]) != manifest.digest:
        raise InputError("a sealed manifest was edited", where=str(path), next_step=_AFTER_DAMAGE)
    return manifest


def read_sealed(folder: Path, record_type: type[Record]) -> Manifest[Record]:
    """Read a manifest and look whether the folder holds what it names.

    Contents are compared only of files that were written later than the manifest; `verify` compares all.

    Raises:
        InputError: as `read_manifest`, or naming a file that is missing, altered, or not in it.
    """
    manifest = read_manifest(folder, record_type)
    check_listing(folder, manifest)
    sealed_at = (folder / MANIFEST).stat().st_mtime_ns
    for file in manifest.files:
        if (folder / file.path).stat().st_mtime_ns > sealed_at:
            _check_content(folder / file.path, file, file_digest)
    return manifest


def produce_once(
    folder: Path,
    record_type: type[Record],
    produce: Callable[[Path], Record],
    on_wait: Callable[[], None] | None = None,
) -> Manifest[Record]:
    """Return the sealed folder's manifest, producing the folder first if nobody has.

    `produce` gets an empty staging folder on the same file system, fills it and returns the record.
    Concurrent producers of one folder wait for each other (`on_wait` is called once by those that do).

    Raises:
        ToolchainError: where `produce` failed on a full disk; else whatever it raises. Either way nothing
            half-written is left.
    """
    with staged(folder, on_wait) as staging:
        if staging is None:
            return read_sealed(folder, record_type)
        seal(staging, produce(staging))
    return read_manifest(folder, record_type)


@contextmanager
def staged(folder: Path, on_wait: Callable[[], None] | None = None) -> Iterator[Path | None]:
    """Yield the empty staging folder of a folder that a block fills and seals; None where it is sealed.

    It gets its name at the block's end. Who is about to fill the same folder waits for it, as in
    `produce_once`.

    Raises:
        ToolchainError: where the block failed on a full disk; else whatever it raises. Either way nothing
            half-written is left.
    """
    if is_sealed(folder):
        yield None
        return
    with turn_of(folder) as keep, held(folder, on_wait):
        if is_sealed(folder):
            yield None
            return
        _remove_leftovers(folder)
        staging = folder.parent / f".{folder.name}.staging-{uuid.uuid4().hex[:8]}"
        staging.mkdir(parents=True)
        try:
            yield staging
            put_in_place(staging, folder)
        except BaseException as error:
            full = full_disk(error, folder.parent)
            shutil.rmtree(staging, ignore_errors=True)
            if full is not None:
                raise full from error
            raise
        keep()


def held(folder: Path, on_wait: Callable[[], None] | None = None) -> AbstractContextManager[None]:
    """Return the lock that whoever makes a folder holds; who waits for it gives its place back."""
    lock = folder.parent / f".{folder.name}.lock"
    return exclusive(lock, on_wait, waiting=while_waiting)


def seal(folder: Path, record: object) -> None:
    """Hash and sync every file of a folder and write its manifest, last.

    Raises:
        InputError: where something in it is no plain file: its content would lie elsewhere.
    """
    paths = sorted(_contents(folder))
    for path in paths:
        if path.is_symlink() or not path.is_file():
            raise InputError(
                "is no plain file and cannot be sealed",
                where=str(path),
                next_step="replace links by copies of what they lead to, and take out all else",
            )
    with ThreadPoolExecutor(max_workers=1) as disk:  # the disk writes while the processor hashes
        synced = [disk.submit(_sync, path) for path in paths]
        files = [
            SealedFile(
                path=path.relative_to(folder).as_posix(),
                size_bytes=path.stat().st_size,
                sha256=file_digest(path),
            )
            for path in paths
        ]
        for done in synced:
            done.result()
    named = tuple(files)
    digest = checksum([to_json(record), [to_json(file) for file in named]])
    write_record(folder / MANIFEST, Manifest(record=record, files=named, digest=digest))


def verify(
    folder: Path,
    manifest: Manifest[Record],
    digest: Callable[[Path], Digest] = file_digest,
) -> None:
    """Compare a folder with its manifest: every file's size and sha256, and that there is no other one.

    `digest` returns a file's sha256 and may remember it.

    Raises:
        InputError: naming the first file that is missing, altered, or not in the manifest.
    """
    check_listing(folder, manifest)
    for file in manifest.files:
        _check_content(folder / file.path, file, digest)


def _check_content(path: Path, file: SealedFile, digest: Callable[[Path], Digest]) -> None:
    if digest(path) != file.sha256:
        raise InputError("a sealed file was altered", where=str(path), next_step=_AFTER_DAMAGE)


def check_listing(folder: Path, manifest: Manifest[Record]) -> None:
    """Compare the names and sizes in a folder with its manifest's; contents are not looked at.

    Raises:
        InputError: naming the first file that is missing, of another size, or not in the manifest.
    """
    for file in manifest.files:
        path = folder / file.path
        if path.is_symlink() or not path.is_file():
            raise InputError("a sealed file is missing", where=str(path), next_step=_AFTER_DAMAGE)
        if path.stat().st_size != file.size_bytes:
            raise InputError("a sealed file was altered", where=str(path), next_step=_AFTER_DAMAGE)
    named = {folder / file.path for file in manifest.files} | {folder / MANIFEST}
    strangers = sorted(path for path in _contents(folder) if path not in named)
    if strangers:
        raise InputError(
            "was added to a sealed folder, whose manifest does not name it",
            where=str(strangers[0]),
            next_step=f"remove it, or {_AFTER_DAMAGE}",
        )


def _contents(folder: Path) -> Iterator[Path]:
    """Yield everything below a folder but plain folders: empty ones hold nothing that anybody reads."""
    for place, folders, files in os.walk(folder, followlinks=False):
        yield from (Path(place, name) for name in files)
        yield from (link for name in folders if (link := Path(place, name)).is_symlink())


_AFTER_DAMAGE = "remove the folder it stands in and run the same command again"


def _remove_leftovers(folder: Path) -> None:
    for leftover in folder.parent.glob(f".{folder.name}.staging-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if folder.exists():
        shutil.rmtree(folder)


def put_in_place(staging: Path, folder: Path) -> None:
    """Give a complete folder its name, durably; its lock has to be held."""
    staging.rename(folder)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
