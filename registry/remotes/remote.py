"""Folders elsewhere, as they are written and read: names with forward slashes, streams of bytes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from typing_extensions import override

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.sharing.parts import Part, joined
from quantgate.registry.file_places import FilePlace


def manifest_name(digest: str) -> str:
    """Return what the manifest with this digest is called in a folder elsewhere."""
    return f"manifest-{digest[:16]}.json"


class RemoteFolder(Protocol):
    """A folder that is not a store's. Every method may raise ServiceError; `transient`: it may work later."""

    @property
    def address(self) -> str:
        """What the registry calls it."""
        ...

    def sizes(self) -> Mapping[str, int]:
        """Return the size in bytes of every file, by name; empty where there is no such folder."""
        ...

    def send(self, name: str, content: BinaryIO, size_bytes: int) -> None:
        """Write a file from a stream of so many bytes; what was there under its name is replaced."""
        ...

    def read(self, name: str, start: int) -> Iterator[bytes]:
        """Yield a file's bytes from `start` on, in pieces."""
        ...


class RemotePlace(FilePlace):
    """A folder elsewhere; its large files lie there in parts."""

    def __init__(self, remote: RemoteFolder) -> None:
        """Nothing is asked yet."""
        self._remote = remote
        self._sizes: dict[str, int] | None = None

    @property
    @override
    def folder(self) -> Path | None:
        return None

    @override
    def read(self, name: str, start: int = 0) -> Iterator[bytes]:
        for part, begin in joined(self._parts(name), start):
            yield from self._remote.read(part.name, begin)

    def _parts(self, name: str) -> tuple[Part, ...]:
        if self._sizes is None:
            self._sizes = dict(self._remote.sizes())
        sizes = self._sizes
        names = (
            [name] if name in sizes else sorted(n for n in sizes if n.startswith(f"{name}.part-"))
        )
        if not names:
            raise InputError(
                f"there is no file {name}",
                where=self._remote.address,
                next_step="run the same build again, which sends what is missing",
            )
        parts: list[Part] = []
        for each in names:
            start = parts[-1].start + parts[-1].size_bytes if parts else 0
            parts.append(Part(name=each, start=start, size_bytes=sizes[each]))
        return tuple(parts)
