"""Folders that fsspec knows: object stores (`s3://bucket/folder`), file systems (`file:///folder`).

Logins are those of its implementation, for S3 the usual AWS_… variables and files, AWS_ENDPOINT_URL included
(https://s3fs.readthedocs.io).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

import fsspec
from fsspec.implementations.local import LocalFileSystem
from typing_extensions import override

from quantgate.pipelines.domain.errors import ServiceError, ToolchainError
from quantgate.pipelines.domain.secrets import redacted
from quantgate.registry.remotes.remote import RemoteFolder

_PIECE_BYTES = 4 << 20
_BLOCK_BYTES = 32 << 20
"""What object stores are sent at a time; S3 takes 10,000 such blocks a file."""


class ObjectFolder(RemoteFolder):
    """A folder by its address."""

    def __init__(self, address: str) -> None:
        """Nothing is asked yet.

        Raises:
            ToolchainError: where the implementation of the address's kind is not installed.
        """
        self._address = address
        try:
            self._files: Any
            self._files, self._root = fsspec.core.url_to_fs(
                address, use_listings_cache=False, skip_instance_cache=True
            )
        except (ImportError, ValueError) as error:
            raise ToolchainError(
                f"cannot be reached from here ({error})",
                where=redacted(address),
                next_step="install what fsspec asks for (s3fs for s3://, gcsfs for gs://), or correct it",
            ) from error

    @property
    @override
    def address(self) -> str:
        return self._address

    @override
    def sizes(self) -> Mapping[str, int]:
        with self._translated():
            try:
                entries = self._files.find(self._root, detail=True)
            except FileNotFoundError:
                return {}
        root = f"{self._root.rstrip('/')}/"
        return {
            path.removeprefix(root): int(entry["size"])
            for path, entry in entries.items()
            if path.startswith(root)
        }

    @override
    def send(self, name: str, content: BinaryIO, size_bytes: int) -> None:
        path = f"{self._root}/{name}"
        with self._translated():
            if isinstance(
                self._files, LocalFileSystem
            ):  # in an object store this would make buckets
                self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            with self._files.open(path, "wb", block_size=_BLOCK_BYTES) as file:
                while piece := content.read(_PIECE_BYTES):
                    file.write(piece)

    @override
    def read(self, name: str, start: int) -> Iterator[bytes]:
        with (
            self._translated(),
            self._files.open(f"{self._root}/{name}", "rb", block_size=_BLOCK_BYTES) as file,
        ):
            file.seek(start)
            while piece := file.read(_PIECE_BYTES):
                yield piece

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what implementations raise into a ServiceError that names the address."""
        try:
            yield
        except (ServiceError, GeneratorExit):
            raise
        except Exception as error:
            said = " ".join(str(error).split()) or type(error).__name__
            refused = isinstance(error, PermissionError)
            raise ServiceError(
                f"{'refused' if refused else 'cannot be used'} ({said[:300]})",
                where=redacted(self._address),
                next_step="correct the address or the login that it asks for"
                if refused
                else "look at that service, and run the same command again: what was sent stays",
                transient=not refused and isinstance(error, OSError),
            ) from error
