"""Processes that work in a store: those whose command line names it, or whose environment does."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROCESSES = Path("/proc")
_FORK_SERVER = "quantgate.pipelines.process.forking.server"
_LAUNCHED = "quantgate.pipelines.process.launch quantgate."
_PREFECT_SERVER = "orchestration.server.keeper"
_SECONDS_TO_END = 30.0
_LOOK_EVERY_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreProcess:
    """A process; `parent` is its parent's number, `command` its command line with spaces between words."""

    pid: int
    parent: int
    command: str

    def __str__(self) -> str:
        """Be a line of `ps`."""
        return f"{self.pid} {self.command}"


def all_in(store: Path) -> list[StoreProcess]:
    """Return the processes of a store, without this one and those that have ended.

    What a command starts gets its environment, and so QUANTGATE_STORE, whatever its command line says; what
    a fork server forks has the server's.
    """
    return sorted(_running(store), key=lambda process: process.pid)


def processes_of(store: Path) -> str:
    """Return the processes of a store, a line each."""
    return "\n".join(map(str, all_in(store)))


def workers_in(store: Path) -> list[StoreProcess]:
    """Return the children that do a build's work, launched by a command or forked by its fork servers."""
    processes = all_in(store)
    servers = {process.pid for process in processes if _FORK_SERVER in process.command}
    return [
        process
        for process in processes
        if process.parent in servers
        or (_LAUNCHED in process.command and _PREFECT_SERVER not in process.command)
    ]


def _running(store: Path) -> Iterator[StoreProcess]:
    named = f"QUANTGATE_STORE={store}".encode()
    for folder in _PROCESSES.iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with suppress(OSError):  # it ended just now, or is another user's
            words = (folder / "cmdline").read_bytes().split(b"\0")
            command = b" ".join(words).decode(errors="replace").strip()
            if command and (str(store) in command or named in _variables(folder)):
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                yield StoreProcess(pid=int(folder.name), parent=int(parent), command=command)


def _variables(folder: Path) -> list[bytes]:
    return (folder / "environ").read_bytes().split(b"\0")


def require_ended(store: Path) -> None:
    """Fail where something still works in a store after a while: a keeper ends once its clients have."""
    until = time.monotonic() + _SECONDS_TO_END
    while (left := processes_of(store)) and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_SECONDS)
    assert left == "", f"left running:\n{left}"
