"""Objects in a folder of a file system that hosts share (`file:///srv/quantgate`): no lock of its is needed.

A file is written in `.writing` of the same folder first. `os.link` gives it the name and fails where that is
taken, also over NFS, whose reply may be lost: then the link count tells (link(2), open(2) on O_EXCL and NFS).
Times of files are those of the server. A file that marks the folder lies in it: where a file system is not
mounted, there is none, and nothing is read or written.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from typing_extensions import override

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.files.temporary import clear_half_written, half_written
from quantgate.pipelines.sharing.objects import SharedObjects, StoredObject

_WRITING = ".writing"
_ABANDONED_SECONDS = 60.0
"""How long nobody has written to a file that is cleared: locks may hold on one host alone."""
_NAMES_OF_A_LINKED_FILE = 2
_MARK = "quantgate-shared-store"


class FileObjects(SharedObjects):
    """A folder by its path."""

    def __init__(self, folder: Path) -> None:
        """Nothing is looked at yet."""
        self._folder = folder

    @property
    @override
    def address(self) -> str:
        return f"file://{self._folder}"

    @override
    def prepare(self) -> None:
        with _translated(self.address):
            self._folder.mkdir(exist_ok=True)
            (self._folder / _MARK).touch()

    @override
    def clear_left(self) -> None:
        with self._mounted():
            clear_half_written(self._folder / _WRITING, _ABANDONED_SECONDS)

    @override
    def read(self, name: str) -> bytes | None:
        with self._mounted():
            try:
                return (self._folder / name).read_bytes()
            except FileNotFoundError:
                return None

    @override
    def write(self, name: str, content: bytes) -> None:
        with self._mounted(), self._written(name, content) as written:
            written.replace(self._folder / name)

    @override
    def create(self, name: str, content: bytes) -> bool:
        with self._mounted(), self._written(name, content) as written:
            with suppress(FileExistsError):
                os.link(written, self._folder / name)
            return written.stat().st_nlink == _NAMES_OF_A_LINKED_FILE

    @override
    def remove(self, name: str) -> None:
        with self._mounted():
            (self._folder / name).unlink(missing_ok=True)

    @override
    def listed(self, prefix: str) -> Mapping[str, StoredObject]:
        listed: dict[str, StoredObject] = {}
        with self._mounted():
            for place, _, names in os.walk(self._folder / prefix):
                for path in (Path(place, name) for name in names):
                    with suppress(FileNotFoundError):  # removed just now
                        stat = path.stat()
                        listed[path.relative_to(self._folder).as_posix()] = StoredObject(
                            size_bytes=stat.st_size, modified_at=stat.st_mtime
                        )
        return listed

    @contextmanager
    def _written(self, name: str, content: bytes) -> Iterator[Path]:
        """Yield a durable file for the name that it is to have; whatever is left of it goes."""
        writing = self._folder / _WRITING
        for folder in ((self._folder / name).parent, writing):
            folder.mkdir(parents=True, exist_ok=True)
        with half_written(writing) as (path, file):
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            yield path

    @contextmanager
    def _mounted(self) -> Iterator[None]:
        """Have a file system used only where it is there.

        Raises:
            ServiceError: it is not, or what it says.
        """
        with _translated(self.address):
            if not (self._folder / _MARK).is_file():
                raise ServiceError(
                    "is not mounted, or was never made a shared store (`quantgate store init` does, once)",
                    where=self.address,
                    transient=True,
                    next_step="mount it, or make it one: `quantgate store init`",
                )
            yield


@contextmanager
def _translated(address: str) -> Iterator[None]:
    """Turn what a file system says into a ServiceError that names the folder."""
    try:
        yield
    except OSError as error:
        refused = isinstance(error, PermissionError)
        raise ServiceError(
            f"the shared store cannot be used ({error.strerror or error})",
            where=address,
            next_step="have its owner let you read and write there"
            if refused
            else "see that it is mounted and has room",
            transient=not refused,
        ) from error
