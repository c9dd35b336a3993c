"""What a program said before it died, in its log but seldom on its last line; what an exception says."""

import re
import traceback
from pathlib import Path

_TAIL_BYTES = 65536
_SHOWN = 3
_LONGEST_CHARACTERS = 300
_COMPLAINT = re.compile(
    r"error|warn|fail|not found|assert|abort|terminate|what\(\)|exception|invalid|unsupported|cannot"
    r"|could not|out of memory|bad magic|corrupt|truncated",
    re.IGNORECASE,
)


def last_words(log: Path, begin: int) -> str:
    """Return the last complaints of a log from the byte `begin` on, else its last line; "" where it has none.

    `begin` is where the dead program's own words begin: several programs write to one log.
    """
    with log.open("rb") as file:
        file.seek(max(begin, log.stat().st_size - _TAIL_BYTES))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    spoken = [line for line in dict.fromkeys(lines) if line]
    complaints = [line for line in spoken if _COMPLAINT.search(line)]
    return "; ".join(_short(line) for line in (complaints or spoken[-1:])[-_SHOWN:])


def words_of(error: BaseException) -> str:
    """Return "Kind: words" on one line; without words, the line of source that raised it (assertions)."""
    words = " ".join(str(error).split())
    if not words and (frames := traceback.extract_tb(error.__traceback__)):
        words = f"{frames[-1].line} ({frames[-1].name})"
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST_CHARACTERS else f"{line[:_LONGEST_CHARACTERS]} …"
