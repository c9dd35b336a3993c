"""A folder of this machine as a place: the store that a version was registered from, or a shared one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from quantgate.pipelines.domain.errors import InputError
from quantgate.registry.file_places import FilePlace

_PIECE_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class FolderPlace(FilePlace):
    """Files below a folder."""

    root: Path

    @property
    @override
    def folder(self) -> Path | None:
        return self.root

    @override
    def read(self, name: str, start: int = 0) -> Iterator[bytes]:
        try:
            with (self.root / name).open("rb") as file:
                file.seek(start)
                while piece := file.read(_PIECE_BYTES):
                    yield piece
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(
                "the registered file is not on this machine",
                where=str(self.root / name),
                next_step="mount or copy the store it was built in, or build the variant here",
            ) from error
