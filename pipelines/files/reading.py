"""Files that people name, opened: only regular ones, never a pipe that blocks, and only UTF-8 text.

A FIFO or a device blocks the program that opens it, a folder and a loop of links fail with words of the
system; here each is one sentence. UTF-8 may begin with a byte-order mark; UTF-16 and UTF-32 are named.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from quantgate.pipelines.domain.errors import InputError

LARGEST_DOCUMENT_BYTES = 64 << 20
"""A larger file is no document that somebody wrote."""

LONGEST_LINE_BYTES = 16 << 20
"""A longer line is no row but a file that lost its line breaks."""

_BLOCK_BYTES = 1 << 20
_MARK = b"\xef\xbb\xbf"
_OTHER_ENCODINGS = (
    (b"\xff\xfe\x00\x00", "UTF-32"), (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"),
)  # fmt: skip
SAVE_AS_UTF8 = "save it as UTF-8"


def at_home(path: str | Path) -> Path:
    """Return a path with the home folder that `~` or `~NAME` stands for.

    Raises:
        InputError: where nobody is called so, or the user has no home.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(
            "begins with ~ and names nobody's home folder",
            where=str(path),
            next_step="write the whole path, or ./~… for a folder that is called so",
        ) from error


def is_there(path: Path) -> bool:
    """Whether a path leads to anything; one that the system cannot take, as it is too long, leads nowhere."""
    try:
        return path.exists()
    except OSError:
        return False


def holds_file(path: Path) -> bool:
    """Whether a regular file has this name, and False where nothing has.

    Raises:
        InputError: something else has it (a folder, a pipe, a link that leads nowhere); whoever put it there
            would miss it.
    """
    if not os.path.lexists(path):
        return False
    refuse_other_than_file(path)
    return True


def is_folder(path: Path) -> bool:
    """Whether a path leads to a folder; one that the system cannot take, as it is too long, leads nowhere."""
    try:
        return path.is_dir()
    except OSError:
        return False


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading bytes.

    Raises:
        InputError: where there is none, or it is something else, or may not be read.
    """
    refuse_other_than_file(path)
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        if error.errno is None:
            raise
        raise InputError(
            f"cannot be read ({error.strerror})",
            where=str(path),
            next_step="let this user read it, or name another file",
        ) from error


def refuse_other_than_file(path: Path) -> None:
    """Look what a path leads to, without opening it.

    Raises:
        InputError: where that is no regular file, or cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name has a null character"
        raise InputError(
            f"cannot be read ({reason})",
            where=_shown(path),
            next_step="check how it is spelled, and who may read it",
        ) from error
    if not stat.S_ISREG(mode):
        raise InputError(f"is {_kind(mode)}, not a file", where=str(path), next_step="name a file")


def read_bytes(path: Path, at_most_bytes: int = LARGEST_DOCUMENT_BYTES) -> bytes:
    """Return a file's content.

    Raises:
        InputError: where it cannot be read, or is larger than `at_most_bytes`.
    """
    content = bytearray()
    with opened(path) as file:  # in blocks: a single read would take the memory of the largest file
        while block := file.read(_BLOCK_BYTES):
            content += block
            if len(content) > at_most_bytes:
                raise InputError(
                    f"is larger than {at_most_bytes >> 20} MiB",
                    where=str(path),
                    next_step="name the document itself, or split it",
                )
    return bytes(content)


def read_text(path: Path, at_most_bytes: int = LARGEST_DOCUMENT_BYTES) -> str:
    """Return a file's text without its byte-order mark.

    Raises:
        InputError: where it cannot be read, is too large, or is not UTF-8.
    """
    return decoded(read_bytes(path, at_most_bytes), path).removeprefix("\ufeff")


def decoded(content: bytes, path: Path) -> str:
    """Return a file's content as text, with the byte-order mark that it may begin with.

    Raises:
        InputError: where it is not UTF-8, naming UTF-16 and UTF-32.
    """
    refuse_other_encodings(content, path)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"is not UTF-8 text (line {line}, byte {error.start})",
            where=str(path),
            next_step=SAVE_AS_UTF8,
        ) from error


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text) of every line that is not blank.

    Raises:
        InputError: where the file cannot be read, is not UTF-8, or has a line longer than 16 MiB.
    """
    with opened(path) as file:
        number = 0
        while line := file.readline(LONGEST_LINE_BYTES + 1):
            number += 1
            if number == 1:
                refuse_other_encodings(line, path)
                line = line.removeprefix(_MARK)
            if len(line) > LONGEST_LINE_BYTES:
                raise InputError(
                    f"line {number} is longer than {LONGEST_LINE_BYTES >> 20} MiB",
                    where=str(path),
                    next_step="write one row a line",
                )
            if line.strip():
                yield number, _decoded(line, number, path)


def refuse_other_encodings(head: bytes, path: Path) -> None:
    """Refuse what begins as UTF-16 or UTF-32 does, with or without its mark.

    Raises:
        InputError: naming the encoding.
    """
    name = next((name for mark, name in _OTHER_ENCODINGS if head.startswith(mark)), None)
    if name is None and len(head) >= 4 and 0 in head[:4]:
        name = "UTF-16" if head[:4].count(0) == 2 and head[0] != head[1] else "binary"
    if name == "binary":
        raise InputError(
            "is no text (it has null bytes)", where=str(path), next_step="name a text file"
        )
    if name:
        raise InputError(f"is {name} text", where=str(path), next_step=SAVE_AS_UTF8)


def _decoded(line: bytes, number: int, path: Path) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"is not UTF-8 text (line {number}, byte {error.start} of it)",
            where=str(path),
            next_step=SAVE_AS_UTF8,
        ) from error


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe (FIFO)",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


def _shown(path: Path) -> str:
    return os.fsencode(path).decode("ascii", "backslashreplace").replace("\0", "\\x00")
