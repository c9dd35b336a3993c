"""What this process reads while a block runs, told by Python itself.

Opening a file, listing a folder, starting a process and connecting to a server are audit events (PEP 578), in
whatever package they happen; a file whose digest is remembered is told by `pipelines.files.hashing`. Readers
written in other languages tell nothing (tokenizers, Parquet): so whatever lies beside a file that was read
counts as read, too. Each path has the stamp that it had before it was read for the first time.
"""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from quantgate.flows.build.repeating.stamps import Stamp, package_stamp_of, stamp_of
from quantgate.pipelines.files.hashing import LOOKED_AT, OTHERS_ASKED
from quantgate.pipelines.files.temporary import is_temporary

_OPENED = ("open", LOOKED_AT)
_DATABASE = "sqlite3.connect"
_LOG_BESIDE = "-wal"
"""Where SQLite writes what is not in the database's own file yet (`sqlite.org/fileformat2.html`, 4)."""
_LISTED = ("os.listdir", "os.scandir")
_OTHERS_READ = (
    OTHERS_ASKED,
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "socket.connect",
    "socket.sendmsg",
    "socket.sendto",
    "subprocess.Popen",
)
"""What others read for this process nobody here sees: a child, a fork server that starts one, a server."""
_FROM_WHAT_IT_IS_SENT = frozenset({"quantgate.pipelines.evaluation.templates.process"})
"""Children that read no file: chat templates are rendered from what this process sends."""
_NO_FILES = ("/dev/null", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/fd/", "/proc/", "/sys/")
_OF_THE_SYSTEM = ("/etc/", "/usr/")
_WRITING = os.O_WRONLY | os.O_RDWR
_MOST_BESIDE = 2000
"""Entries of a folder of which something was read. Who keeps more beside a suite plans each time."""


@dataclass(slots=True, eq=False)
class Reads:
    """Paths that were read, with their stamps; `unseen` says what others did, or where too much lies.

    Of the folders in `alone`, of installed packages and of the system the files count that were opened, and
    nothing that lies beside them; those in `ignored` do not count.
    """

    alone: tuple[Path, ...] = ()
    ignored: tuple[Path, ...] = ()
    stamps: dict[str, Stamp] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)
    _folders: set[str] = field(default_factory=set, init=False)
    _ignored: tuple[str, ...] = field(default=(), init=False)
    _alone: tuple[str, ...] = field(default=(), init=False)
    _installed: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        """Write places as paths begin."""
        self._ignored = (*_below(self.ignored), *_NO_FILES)
        self._installed = _below((Path(sys.prefix), Path(sys.base_prefix)))
        self._alone = (*_below(self.alone), *self._installed, *_OF_THE_SYSTEM)

    @property
    def connected(self) -> bool:
        """Whether a server was asked."""
        return "socket.connect" in self.unseen

    def after(self, earlier: "Reads") -> "Reads":
        """Return these together with what was read before them and outside the folders in `alone`.

        A program remembers some of what it reads, and reads it once. Whatever was read twice has the stamp
        that it had before the first time.
        """
        places = _below(self.alone)
        before = {
            path: stamp for path, stamp in earlier.stamps.items() if not path.startswith(places)
        }
        crowded = earlier.unseen.difference(_OTHERS_READ)
        return replace(self, stamps={**self.stamps, **before}, unseen=self.unseen | crowded)

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Take an audit event."""
        if event in _OTHERS_READ:
            if not _reads_no_file(arguments):
                self.unseen.add(event)
            return
        if event == _DATABASE:
            self._note_database(arguments[0])
            return
        path = _path_of(arguments[0]) if arguments else None
        if path is None or path.startswith(self._ignored) or _writes(event, arguments):
            return
        if is_temporary(Path(path)):
            return
        is_alone = f"{path}{os.sep}".startswith(self._alone)
        if event in _LISTED:
            if not is_alone and path != tempfile.gettempdir():
                self._note(path)
            return
        if not is_alone:
            self._look_beside(os.path.dirname(path))  # noqa: PTH120 - for every file of a plan
        self._note(path)

    def _note_database(self, named: object) -> None:
        """Note a registry's database: whoever registers anything changes it."""
        address = urlsplit(named) if isinstance(named, str) else None
        path = _path_of(unquote(address.path) if address and address.scheme == "file" else named)
        if path is not None:
            self._note(path)
            self._note(path + _LOG_BESIDE)

    def _note(self, path: str) -> None:
        if path not in self.stamps:
            stamp = package_stamp_of if path.startswith(self._installed) else stamp_of
            self.stamps[path] = stamp(path)

    def _look_beside(self, folder: str) -> None:
        if folder in self._folders:
            return
        self._folders.add(folder)
        self._note(folder)
        try:
            with os.scandir(folder) as entries:
                for count, entry in enumerate(entries):
                    if count == _MOST_BESIDE:
                        self.unseen.add(folder)
                        return
                    if entry.is_file():
                        self._note(entry.path)
        except OSError:
            return


@contextmanager
def reading_is_seen(reads: Reads) -> Iterator[Reads]:
    """Have all that this process reads until the block ends noted, whatever thread reads it."""
    _listen()
    _LISTENING.append(reads)
    try:
        yield reads
    finally:
        _LISTENING.remove(reads)


@contextmanager
def beside_the_plan() -> Iterator[None]:
    """Have nothing noted that this thread does until the block ends: it is done for something else."""
    _hook.busy = True
    try:
        yield
    finally:
        _hook.busy = False


_LISTENING: list[Reads] = []
_hook = threading.local()
_hook_lock = threading.Lock()
_hooked: list[bool] = []


def _listen() -> None:
    """Add the hook of this process, which stays for its life."""
    with _hook_lock:
        if not _hooked:
            sys.addaudithook(_hear)
            _hooked.append(True)


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    """Pass an event on; what listeners do themselves is none."""
    if not _LISTENING or event not in _EVENTS or getattr(_hook, "busy", False):
        return
    _hook.busy = True
    try:
        for reads in tuple(_LISTENING):
            reads.hear(event, arguments)
    finally:
        _hook.busy = False


_EVENTS = frozenset((*_OPENED, _DATABASE, *_LISTED, *_OTHERS_READ))


def _path_of(named: object) -> str | None:
    """Return an absolute path, None for a descriptor or a name that is none."""
    if named is None:
        return str(Path.cwd())  # `os.listdir()`
    if not isinstance(named, str | bytes | os.PathLike):
        return None
    return os.path.abspath(os.fsdecode(named))  # noqa: PTH100 - links stay


def _reads_no_file(arguments: tuple[object, ...]) -> bool:
    """Whether a process is one of ours that reads nothing: `subprocess.Popen` tells program and arguments."""
    command = arguments[1] if len(arguments) > 1 else None
    return isinstance(command, list | tuple) and not _FROM_WHAT_IT_IS_SENT.isdisjoint(command)


def _writes(event: str, arguments: tuple[object, ...]) -> bool:
    """Whether a file is opened to be written: `open` tells path, mode and flags."""
    flags = arguments[2] if event == "open" and len(arguments) > 2 else 0
    return isinstance(flags, int) and bool(flags & _WRITING)


def _below(folders: tuple[Path, ...]) -> tuple[str, ...]:
    return tuple(f"{folder.absolute()}{os.sep}" for folder in folders)
