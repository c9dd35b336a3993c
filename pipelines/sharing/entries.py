"""Sealed folders in a shared store: files first, the manifest last and once; every byte compared on fetching.

A folder's files lie under their sha256, in parts, at `entries/<folder>/`; its manifest is `manifest.json`
there. A folder without one is nothing. Two hosts that made the same folder apart have other bytes under
other names, and the manifest that was first stays: so whoever comes late does no harm.
"""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.files.disk.full import full_disk
from quantgate.pipelines.files.interruption import INTERRUPTION
from quantgate.pipelines.files.sealed import (
    Manifest,
    SealedFile,
    held,
    is_sealed,
    put_in_place,
    read_manifest,
    verify,
)
from quantgate.pipelines.files.store import MANIFEST
from quantgate.pipelines.sharing.kinds import is_result
from quantgate.pipelines.sharing.objects import SharedObjects
from quantgate.pipelines.sharing.parts import Part, parts_of

ENTRIES = "entries"
ARRIVING = "arriving"
"""Folder of a local store: what is being fetched, and is gone on with after an interruption."""
_PART_BYTES = 32 << 20
"""Each is held in memory once; what arrived of a file arrived in whole parts."""
_SIDE_BY_SIDE = 4
_FETCHED_PARTS = "parts"


class DamagedEntryError(InputError):
    """What lies in a shared store is not what its manifest says."""


class Entries:
    """The sealed folders of one shared store; `root` is the local store they are folders of."""

    def __init__(self, objects: SharedObjects, root: Path, part_bytes: int = _PART_BYTES) -> None:
        """Nothing is asked yet."""
        self._objects, self._root, self._part_bytes = objects, root, part_bytes

    def size_bytes(self, folder: str) -> int | None:
        """Return what fetching a folder takes, None where it does not lie there.

        Raises:
            ServiceError: the place does not answer.
        """
        there = self._objects.listed(_place(folder))
        complete = f"{_place(folder)}{MANIFEST}" in there
        return sum(stored.size_bytes for stored in there.values()) if complete else None

    def send(self, folder: str) -> int:
        """Send a folder that is sealed here, unless one lies there; go on where an earlier try ended.

        Returns the bytes of the files that were sent.

        Raises:
            ServiceError: the place does not answer, or refuses.
            InputError: the folder is not sealed here, or was altered.
        """
        place, source = _place(folder), self._root / folder
        manifest = read_manifest(source, object)
        there = self._objects.listed(place)
        if f"{place}{MANIFEST}" in there:
            return 0
        missing = [
            (file, part)
            for file in {file.sha256: file for file in manifest.files}.values()
            for part in self._parts(file)
            if (stored := there.get(place + part.name)) is None
            or stored.size_bytes != part.size_bytes
        ]

        def send_part(each: tuple[SealedFile, Part]) -> int:
            INTERRUPTION.check(where=folder)
            file, part = each
            content = _bytes_of(source / file.path, part)
            self._objects.write(place + part.name, content)
            return len(content)

        with ThreadPoolExecutor(max_workers=_SIDE_BY_SIDE) as sending:
            sent = sum(sending.map(send_part, missing))
        self._objects.create(f"{place}{MANIFEST}", (source / MANIFEST).read_bytes())
        return sent

    def fetch(self, folder: str) -> int | None:
        """Seal a folder here as it lies there; None where none does. Parts that arrived before stay.

        Returns the bytes of its files.

        Raises:
            DamagedEntryError: an object is missing or altered: nothing is left here.
            ServiceError: the place does not answer.
            ToolchainError: this machine's disk is full.
        """
        if not is_result(folder):
            raise DamagedEntryError(
                f"'{folder}' is no name of a result",
                where=self._objects.address,
                next_step="remove it there",
            )
        written = self._objects.read(f"{_place(folder)}{MANIFEST}")
        if written is None:
            return None
        arriving = self._root / ARRIVING / digest_of([folder])[:16]
        with held(arriving):
            if is_sealed(self._root / folder):
                return 0
            try:
                return self._fetch(folder, written, arriving)
            except OSError as error:
                shutil.rmtree(arriving, ignore_errors=True)
                raise full_disk(error, self._root) or error from error
            except DamagedEntryError:
                shutil.rmtree(arriving, ignore_errors=True)
                raise

    def remove(self, folder: str) -> int:
        """Remove a folder there, its manifest first; returns the bytes. Its lease has to be held."""
        place = _place(folder)
        there = dict(self._objects.listed(place))
        for name in sorted(there, key=lambda name: not name.endswith(f"/{MANIFEST}")):
            self._objects.remove(name)
        return sum(stored.size_bytes for stored in there.values())

    def _fetch(self, folder: str, written: bytes, arriving: Path) -> int:
        manifest = self._manifest(folder, written, arriving)
        files = arriving / "files"
        went_on = files.is_dir()
        files.mkdir(exist_ok=True)
        self._fetch_parts(folder, manifest, arriving)
        (files / MANIFEST).write_bytes(written)  # last: files that are older are not compared again
        try:
            verify(files, manifest)
        except InputError as error:
            if went_on:  # this machine may have lost what arrived before
                shutil.rmtree(arriving)
                return self._fetch(folder, written, arriving)
            raise _damaged(folder, self._objects.address) from error
        for path in files.rglob("*"):
            _sync(path)
        target = self._root / folder
        target.parent.mkdir(parents=True, exist_ok=True)
        with held(target):
            if not is_sealed(target):
                shutil.rmtree(target, ignore_errors=True)
                put_in_place(files, target)
        shutil.rmtree(arriving, ignore_errors=True)
        return manifest.size_bytes

    def _manifest(self, folder: str, written: bytes, arriving: Path) -> Manifest[object]:
        """Read a manifest that was fetched; what arrived for another one goes."""
        path = arriving / MANIFEST
        if not path.is_file() or path.read_bytes() != written:
            shutil.rmtree(arriving, ignore_errors=True)
            arriving.mkdir(parents=True)
            path.write_bytes(written)
        try:
            manifest = read_manifest(arriving, object)
        except InputError as error:
            raise _damaged(folder, self._objects.address) from error
        inside = (arriving / "files").resolve()
        for file in manifest.files:
            if not (inside / file.path).resolve().is_relative_to(inside):
                raise _damaged(folder, self._objects.address)
        return manifest

    def _fetch_parts(self, folder: str, manifest: Manifest[object], arriving: Path) -> None:
        """Fetch what has not arrived, some parts at a time, each written where it belongs in its file."""
        journal = arriving / _FETCHED_PARTS
        here = set(journal.read_text().split("\n")) if journal.is_file() else set()
        place, files = _place(folder), arriving / "files"
        for file in manifest.files:
            path = files / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as handle:
                handle.truncate(file.size_bytes)
        parts = [
            (file, part, line)
            for file in manifest.files
            for part in self._parts(file)
            if part.size_bytes and (line := f"{part.start} {file.path}") not in here
        ]

        def fetch_part(each: tuple[SealedFile, Part, str]) -> str:
            file, part, line = each
            INTERRUPTION.check(where=folder)
            content = self._objects.read(place + part.name)
            if content is None or len(content) != part.size_bytes:
                raise _damaged(folder, self._objects.address)
            with (files / file.path).open("r+b") as handle:
                handle.seek(part.start)
                handle.write(content)
            return line

        with (
            ThreadPoolExecutor(max_workers=_SIDE_BY_SIDE) as fetching,
            journal.open("a") as arrived,
        ):
            for line in fetching.map(fetch_part, parts):
                arrived.write(f"{line}\n")
                arrived.flush()

    def _parts(self, file: SealedFile) -> tuple[Part, ...]:
        return parts_of(file.sha256, file.size_bytes, self._part_bytes)


def folder_of(name: str) -> str:
    """Return the folder that an object of an entry belongs to, by its path in a store."""
    return name.removeprefix(f"{ENTRIES}/").rpartition("/")[0]


def _place(folder: str) -> str:
    return f"{ENTRIES}/{folder}/"


def _damaged(folder: str, address: str) -> DamagedEntryError:
    return DamagedEntryError(
        "what lies there is not what its manifest says: it is made anew",
        where=f"{address}/{folder}",
    )


def _bytes_of(path: Path, part: Part) -> bytes:
    with path.open("rb") as file:
        file.seek(part.start)
        return file.read(part.size_bytes)


def _sync(path: Path) -> None:
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())
