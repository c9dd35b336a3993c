"""How a file or a folder is known to be the one that was there before, without reading it."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

Stamp = tuple[int, ...]
"""Device, inode, size, and nanoseconds of the last change of content and of anything else; empty where
there is nothing. The time of change cannot be set by a program: a copy that keeps the time of its content
(`cp -p`, `touch -r`) still has another stamp."""
GONE: Stamp = ()
_WITHOUT_LINKS = 4
"""How much of a stamp says nothing of links: installers link packages' files into other environments as well,
which changes the last of its times."""


def stamp_of(path: str | os.PathLike[str]) -> Stamp:
    """Return a path's stamp; links are followed. What is added to a folder or removed changes its times."""
    try:
        facts = os.stat(path)  # noqa: PTH116 - a thousand paths, as texts
    except (OSError, ValueError):
        return GONE
    size = 0 if stat.S_ISDIR(facts.st_mode) else facts.st_size
    return (facts.st_dev, facts.st_ino, size, facts.st_mtime_ns, facts.st_ctime_ns)


def package_stamp_of(path: str | os.PathLike[str]) -> Stamp:
    """Return the stamp of what is installed, without the time at which anything but its content changed."""
    return stamp_of(path)[:_WITHOUT_LINKS]


def is_as_stamped(path: str, stamp: Stamp) -> bool:
    """Whether a path is as it was when it got a stamp of either kind."""
    now = stamp_of(path)
    return now[: len(stamp)] == stamp if stamp else now == GONE


def stamps_below(folder: Path, leave_out: Iterable[str] = ()) -> Iterator[tuple[str, Stamp]]:
    """Yield every file and folder below a folder, itself first, but what is called as in `leave_out`."""
    left_out = frozenset(leave_out)
    waiting = [str(folder)]
    while waiting:
        place = waiting.pop()
        yield place, stamp_of(place)
        try:
            with os.scandir(place) as entries:
                names = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in names:
            if entry.name in left_out:
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            else:
                yield entry.path, stamp_of(entry.path)
