"""Sealed folders: made in a staging sibling, manifest written last, renamed. A manifest means complete.

A sealed folder is immutable. `manifest.json` lists every file with size and sha256 beside the record
that describes the content. Staging folders left by a killed process are removed by the next producer
of the same folder, which holds the folder's lock and so knows that their owner is gone.
"""

import os
import shutil
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pipelines.domain.errors import InputError
from pipelines.domain.values import Digest
from pipelines.files.full_disk import full_disk
from pipelines.files.hashing import file_digest, folder_digest
from pipelines.files.locks import exclusive
from pipelines.files.records import read_record, write_record

Record = TypeVar("Record")

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """One file of a sealed folder; `path` is relative, with forward slashes."""

    path: str
    size_bytes: int
    sha256: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Generic[Record]):
    """What stands in `manifest.json`."""

    record: Record
    files: tuple[SealedFile, ...]

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


def read_manifest(folder: Path, record_type: type[Record]) -> Manifest[Record]:
    """Read a sealed folder's manifest.

    Raises:
        InputError: where it is missing or damaged.
    """
    return read_record(Manifest[record_type], folder / MANIFEST)  # type: ignore[valid-type]


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
    if is_sealed(folder):
        return read_manifest(folder, record_type)
    with exclusive(folder.parent / f".{folder.name}.lock", on_wait):
        if is_sealed(folder):
            return read_manifest(folder, record_type)
        _remove_leftovers(folder)
        staging = folder.parent / f".{folder.name}.staging-{uuid.uuid4().hex[:8]}"
        staging.mkdir(parents=True)
        try:
            record = produce(staging)
            seal(staging, record)
            _rename(staging, folder)
        except BaseException as error:
            full = full_disk(error, staging)
            shutil.rmtree(staging, ignore_errors=True)
            if full is not None:
                raise full from error
            raise
    return read_manifest(folder, record_type)


def seal(folder: Path, record: object) -> None:
    """Hash and sync every file of a folder and write its manifest, last."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
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
    write_record(folder / MANIFEST, Manifest(record=record, files=tuple(files)))


def verify(folder: Path, manifest: Manifest[Record]) -> None:
    """Compare every file with its recorded size and sha256.

    Raises:
        InputError: naming the first file that is missing or altered.
    """
    for file in manifest.files:
        path = folder / file.path
        if not path.is_file():
            raise InputError("a sealed file is missing", where=str(path), next_step=_AFTER_DAMAGE)
        if path.stat().st_size != file.size_bytes or file_digest(path) != file.sha256:
            raise InputError("a sealed file was altered", where=str(path), next_step=_AFTER_DAMAGE)


_AFTER_DAMAGE = "remove the folder it stands in and run the same command again"


def _remove_leftovers(folder: Path) -> None:
    for leftover in folder.parent.glob(f".{folder.name}.staging-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if folder.exists():
        shutil.rmtree(folder)


def _rename(staging: Path, folder: Path) -> None:
    staging.rename(folder)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
