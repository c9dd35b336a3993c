"""Checkpoints in a folder of a bucket (`s3://bucket/folder`): what lies there now, fetched and sealed.

A bucket has no commits: a revision is the digest of names, sizes and entity tags of all that lies there.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError, ServiceError, ToolchainError
from quantgate.pipelines.domain.secrets import redacted
from quantgate.pipelines.domain.values import JsonValue, digest_of
from quantgate.pipelines.files.interruption import INTERRUPTION
from quantgate.pipelines.files.records import read_record, write_record
from quantgate.pipelines.files.sealed import produce_once, read_sealed
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.downloads import Download
from quantgate.pipelines.hub.held import second_name
from quantgate.pipelines.hub.listing import Listing
from quantgate.pipelines.hub.parts import part_of
from quantgate.pipelines.hub.transfer import RemoteFile

SCHEME = "s3://"
_ADDRESS = re.compile(r"^s3://[^/\s]+(/[^/\s]+)*/?$")
_REVISION_LENGTH = 40


class BucketFolder:
    """One folder of a bucket, and what was fetched of it into a store."""

    def __init__(self, address: str, store: Store) -> None:
        """Nothing is asked yet.

        Raises:
            InputError: the address is none.
            ToolchainError: what reaches it is not installed.
        """
        require_bucket_folder(address)
        try:
            from quantgate.pipelines.sharing.s3_objects import S3Objects
        except ImportError as error:
            raise ToolchainError(
                "s3fs is not installed",
                where=redacted(address),
                next_step="pip install 'quantgate[s3]'",
            ) from error
        self._objects, self._store = S3Objects(address, called="the bucket"), store
        self._name = address.removeprefix(SCHEME).strip("/")

    def folder(self, revision: str) -> Path:
        """Return where a revision is fetched to."""
        return self._store.download(self._name, revision)

    def listing(self) -> Listing:
        """Return what lies there now.

        Raises:
            InputError: nothing does.
            ServiceError: the bucket does not answer, or refuses.
        """
        files = tuple(
            RemoteFile(
                name=name,
                size_bytes=stored.size_bytes,
                sha256=None,
                git_blob=None,
                entity_tag=stored.entity_tag,
            )
            for name, stored in sorted(self._objects.listed("").items())
        )
        if not files:
            raise InputError(
                "holds nothing",
                where=self._objects.address,
                next_step="name the folder that holds the files, as s3://bucket/folder",
            )
        named: list[JsonValue] = [[file.name, file.size_bytes, file.checksum] for file in files]
        return Listing(revision=digest_of(named)[:_REVISION_LENGTH], files=files)

    def fetch(self, revision: str) -> Path:
        """Return the sealed folder of a revision, fetched unless it is here.

        Files that an earlier revision has here are not fetched again.

        Raises:
            ServiceError: (transient) another revision lies there by now; or the bucket does not answer.
            ToolchainError: this machine's disk is full.
        """
        folder = self.folder(revision)

        def produce(staging: Path) -> Download:
            listing = self._require(revision)
            held = dict(self._held(folder))
            for file in listing.files:
                INTERRUPTION.check(where=f"{self._objects.address}/{file.name}")
                if part_of(file.name) is not None:
                    self._lay(file, held.get((file.name, file.checksum)), staging / file.name)
            self._require(revision)
            write_record(_listing_of(folder), listing)
            return Download(repository=self._name, revision=revision, endpoint=SCHEME)

        produce_once(folder, Download, produce)
        return folder

    def _require(self, revision: str) -> Listing:
        listing = self.listing()
        if listing.revision != revision:
            raise ServiceError(
                "changed while it was fetched",
                where=self._objects.address,
                transient=True,
                next_step="run the same command again once nobody writes to it",
            )
        return listing

    def _lay(self, file: RemoteFile, held: Path | None, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if held is not None:
            second_name(held, target)
            return
        self._objects.fetch(file.name, target)
        if target.stat().st_size != file.size_bytes:
            raise ServiceError(
                f"{file.name} arrived with another size than is listed for it",
                where=self._objects.address,
                transient=True,
                next_step="run the same command again once nobody writes to it",
            )

    def _held(self, folder: Path) -> Iterator[tuple[tuple[str, str], Path]]:
        """Yield name, tag and place of every file of revisions that are here."""
        for memory in sorted(folder.parent.glob("*.files.json")):
            with suppress(InputError):
                listing = read_record(Listing, memory)
                earlier = self.folder(listing.revision)
                here = {file.path for file in read_sealed(earlier, Download).files}
                for file in listing.files:
                    if file.name in here:
                        yield (file.name, file.checksum), earlier / file.name


def require_bucket_folder(address: str) -> None:
    """Refuse what is no address of a folder of a bucket.

    Raises:
        InputError: it is none.
    """
    if not _ADDRESS.match(address):
        raise InputError(
            "is not s3://bucket/folder",
            where=redacted(address),
            next_step="write it as s3://bucket/folder",
        )


def _listing_of(folder: Path) -> Path:
    return folder.parent / f"{folder.name}.files.json"
