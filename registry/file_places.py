"""The seam of places: where a registered version's files lie, and how they are read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from quantgate.registry.tracking import Tracking


class FilePlace(Protocol):
    """Where a registered version's files lie. Names are its manifest's: relative, with forward slashes.

    The manifest itself is `manifest.json` in a store; elsewhere its name has its digest
    (`remotes.remote.manifest_name`). Nothing that is read here is trusted: whoever reads compares it
    with the digests that were registered.
    """

    @property
    def folder(self) -> Path | None:
        """The folder on this machine that holds the files; None where they come from elsewhere."""
        ...

    def read(self, name: str, start: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes from byte `start` on, in pieces.

        Raises:
            InputError: there is no such file.
            ServiceError: the place does not answer, or refuses; `transient` where it may later.
        """
        ...


class OpenFilePlace(Protocol):
    """Opens the places of one kind, such as `s3://`."""

    def __call__(self, address: str, tracking: Tracking) -> FilePlace:
        """Return the place of an address, as the registry names it; nothing is read yet."""
        ...
