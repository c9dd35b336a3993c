"""One file for a folder: a tar archive (ustar, POSIX.1-1988), every byte of which follows from its files.

Names are sorted; owners, dates and modes are all the same; nothing is compressed. So an archive can be held
against itself: a byte that was altered is in a file, which its digest tells, or in what this module would
have written otherwise.
"""

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from quantgate.pipelines.domain.errors import InputError

SEND_AGAIN = "have it written or sent again: quantgate bundle NAME@ALIAS --to FILE"
_BLOCK = 512
_WINDOW_BYTES = 1 << 20
_END = bytes(2 * _BLOCK)
_LARGEST_BYTES = 4 << 30
"""Transcripts have megabytes: whoever hands over more has something else in mind."""
_MOST_FILES = 10_000


def write_archive(folder: Path, path: Path) -> None:
    """Write all files below a folder as an archive, durably and under its name only when it is whole.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as target:
            for name in _names(folder):
                content = folder / name
                target.write(_header(name, content.stat().st_size))
                with content.open("rb") as source:
                    while piece := source.read(_WINDOW_BYTES):
                        target.write(piece)
                target.write(bytes(-target.tell() % _BLOCK))
            target.write(_END)
            target.flush()
            os.fsync(target.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def unpack_archive(path: Path, folder: Path) -> None:
    """Write the files of an archive below an empty folder.

    Raises:
        InputError: it is no such archive, was cut, or was altered outside its files.
        OSError: it cannot be read, or the folder not be written to.
    """
    before = ""
    with path.open("rb") as source:
        for _ in range(_MOST_FILES):
            header = source.read(_BLOCK)
            if header == _END[:_BLOCK]:
                if source.read() != _END[_BLOCK:]:
                    raise _no_bundle(path, "its end was altered, or something was added after it")
                return
            name, size_bytes = _entry(header, path, before)
            if before and name <= before:
                raise _no_bundle(path, f"'{name}' stands in the wrong place")
            _unpack_file(source, folder / name, size_bytes, path)
            before = name
    raise _no_bundle(path, f"it holds more than {_MOST_FILES:,} files")


def _names(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files)


def _header(name: str, size_bytes: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size_bytes, 0o644
    return entry.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")


def _entry(header: bytes, path: Path, before: str) -> tuple[str, int]:
    """Read one header; whatever this module would not have written is refused."""
    after = f"after '{before}'" if before else "at its beginning"
    try:
        entry = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
        expected = _header(entry.name, entry.size)
    except (tarfile.HeaderError, ValueError) as error:
        raise _no_bundle(path, f"what stands {after} names no file") from error
    if header != expected:
        raise _no_bundle(path, f"the entry '{entry.name}' {after} was altered")
    parts = PurePosixPath(entry.name).parts
    if entry.name.startswith("/") or ".." in parts or "/".join(parts) != entry.name:
        raise _no_bundle(path, f"'{entry.name}' is no name of a file in it")
    if entry.size > _LARGEST_BYTES:
        raise _no_bundle(path, f"'{entry.name}' is larger than {_LARGEST_BYTES >> 30} GiB")
    return entry.name, entry.size


def _unpack_file(source: BinaryIO, target: Path, size_bytes: int, path: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        for piece in _pieces(source, size_bytes):
            file.write(piece)
        if file.tell() != size_bytes:
            raise _no_bundle(path, f"it was cut within '{target.name}'")
    padding = source.read(-size_bytes % _BLOCK)
    if padding != bytes(-size_bytes % _BLOCK):
        raise _no_bundle(path, f"what stands after '{target.name}' was altered")


def _pieces(source: BinaryIO, size_bytes: int) -> Iterator[bytes]:
    left = size_bytes
    while left and (piece := source.read(min(left, _WINDOW_BYTES))):
        left -= len(piece)
        yield piece


def _no_bundle(path: Path, reason: str) -> InputError:
    return InputError(
        f"is no whole bundle: {reason}",
        where=str(path),
        next_step=SEND_AGAIN,
    )
