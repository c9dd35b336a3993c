"""What a shared store asks of the place it lies in: named bytes, listings, creation that succeeds once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object of a listing; `modified_at` is in seconds since 1970 by the clock of the place.

    `entity_tag` tells one content from another, '' where the place has none (RFC 9110, section 8.8.3).
    """

    size_bytes: int
    modified_at: float
    entity_tag: str = ""


class SharedObjects(Protocol):
    """Objects by name, with slashes. Methods may raise ServiceError (`transient`: later it may work)."""

    @property
    def address(self) -> str:
        """Where they lie, as it is shown."""
        ...

    def prepare(self) -> None:
        """Make the place one that hosts share, where that takes more than its being there."""
        ...

    def clear_left(self) -> None:
        """Remove what writers left that were killed."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes, None where there is no such object."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write an object whole; what was there under its name is replaced."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Write an object whole unless there is one: of many who try at once, one gets True."""
        ...

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        ...

    def listed(self, prefix: str) -> Mapping[str, StoredObject]:
        """Return the objects whose names begin with a prefix that ends in a slash, by name."""
        ...
