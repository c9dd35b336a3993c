"""Large files in parts: what was sent of one stays sent, and no part is ever copied on this machine's disk.

A file of at most `PART_BYTES` lies under its own name. A larger one lies as `NAME.part-0001-of-0021` and so
on, each of `PART_BYTES` but for the last.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import Buffer, override

PART_BYTES = 512 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Bytes of a file from `start` on, and the name that they have elsewhere."""

    name: str
    start: int
    size_bytes: int


def parts_of(name: str, size_bytes: int, part_bytes: int = PART_BYTES) -> tuple[Part, ...]:
    """Return the parts of a file, in order; an empty file is one."""
    count = max(1, -(-size_bytes // part_bytes))
    if count == 1:
        return (Part(name=name, start=0, size_bytes=size_bytes),)
    return tuple(
        Part(
            name=f"{name}.part-{number + 1:04}-of-{count:04}",
            start=number * part_bytes,
            size_bytes=min(part_bytes, size_bytes - number * part_bytes),
        )
        for number in range(count)
    )


class Slice(io.RawIOBase):
    """Some bytes of a file, read as if they were all of it."""

    def __init__(self, path: Path, part: Part) -> None:
        """Open the file; closing this closes it."""
        self._file = path.open("rb")
        self._file.seek(part.start)
        self._left = part.size_bytes

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer).cast("B")[: self._left]
        count = self._file.readinto(view)
        self._left -= count
        return count

    @override
    def close(self) -> None:
        self._file.close()
        super().close()


def joined(parts: tuple[Part, ...], start: int) -> Iterator[tuple[Part, int]]:
    """Yield the parts that hold a file's bytes from `start` on, each with where in it to begin."""
    for part in parts:
        if start < part.start + part.size_bytes or (part.size_bytes == 0 and start == 0):
            yield part, max(0, start - part.start)
