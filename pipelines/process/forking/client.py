"""The parent's side of fork servers: which there are, and children that they forked."""

import array
import atexit
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.process.children import CHILDREN
from quantgate.pipelines.process.devices.engines import computes_on_gpus
from quantgate.pipelines.process.endings.watching import ChildWatch, hung_seconds
from quantgate.pipelines.process.forking.families import FAMILIES, WorkerFamily
from quantgate.pipelines.process.forking.server import LARGEST_BYTES, Start
from quantgate.pipelines.process.launch import PARENT_PID
from quantgate.pipelines.process.memory import available_bytes
from quantgate.pipelines.process.versions import package_folders

_SERVER = "quantgate.pipelines.process.forking.server"
_MOST_SERVERS = 3
_LOOK_EVERY_SECONDS = 0.01
_HEAR_EVERY_SECONDS = 0.2
_GRACE_SECONDS = 3.0
_LEAST_FREE_BYTES = 2 << 30
"""A server holds half a gigabyte beside its children."""
_OF_ONE_START = (PARENT_PID, "PYTEST_CURRENT_TEST", "NO_PROXY", "no_proxy")
_OF_ONE_START_PREFIXES = ("MLFLOW_", "PREFECT_", "QUANTGATE_")
"""Variables that nothing reads while it is imported: servers are shared by those who differ in them alone.
A build sets some as it goes on: for Prefect's client when the flow begins, with NO_PROXY where the server is
local, and for MLflow when it is imported."""


class ForkedChild:
    """A child that a fork server started, to be waited for and looked at as a `subprocess.Popen`."""

    def __init__(self, pid: int, status: int, written: bytes) -> None:
        """Take a child's id and the pipe that tells its exit code; `written` was read from it already."""
        self.pid = pid
        self.returncode: int | None = None
        self._status, self._written = status, written
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Return the exit code (a signal's number below zero), None while it runs."""
        if self._lock.acquire(blocking=False):  # who does not get it may be a signal's handler
            try:
                if self.returncode is None and self._has_ended():
                    # Where nothing was written the server is gone, and its children with it.
                    self.returncode = int(self._written) if self._written else -signal.SIGKILL
                    os.close(self._status)
            finally:
                self._lock.release()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, at most so many seconds, and return what `poll` does.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            time.sleep(_LOOK_EVERY_SECONDS)
        return code

    def _has_ended(self) -> bool:
        while not self._written.endswith(b"\n"):
            if not select.select([self._status], [], [], 0)[0]:
                return False
            chunk = os.read(self._status, 64)
            if not chunk:
                return True
            self._written += chunk
        return True


class _ServerProcess:
    """One fork server. `environment` is what it imports in."""

    def __init__(self, imports: tuple[str, ...], environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        their_life, our_life = os.pipe()
        self._life = os.fdopen(our_life, "wb", buffering=0)
        with theirs, os.fdopen(their_life, "rb", buffering=0):
            passed = (theirs.fileno(), their_life)
            self.process = CHILDREN.kept(
                subprocess.Popen(
                    [sys.executable, "-m", _SERVER, *map(str, passed), *imports],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=dict(environment),
                    pass_fds=passed,
                    start_new_session=True,
                )
            )
        self._connection = ours
        self.used = time.monotonic()

    def start(self, message: bytes, log: int, progress: int) -> ForkedChild | None:
        """Have a child started; None where the server is gone, or hung."""
        self.used = time.monotonic()
        status, their_status = os.pipe()
        descriptors = array.array("i", [log, progress, their_status])
        try:
            self._connection.sendmsg(
                [message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
            )
        except OSError:
            os.close(status)
            return None
        finally:
            os.close(their_status)
        pid, end, rest = self._first_line(status).partition(b"\n")
        if not end:
            os.close(status)
            return None
        return ForkedChild(int(pid), status, rest)

    def _first_line(self, status: int) -> bytes:
        """Read a child's number and what follows; no line where the server ended, or hung and was killed."""
        written, watch = b"", ChildWatch(self.process.pid, hung_seconds())
        while b"\n" not in written:
            watch.look()
            if watch.hangs:
                self.process.kill()
            if select.select([status], [], [], _HEAR_EVERY_SECONDS)[0]:
                chunk = os.read(status, 64)
                if not chunk:
                    break
                written += chunk
        return written

    def retire(self) -> None:
        """Ask it to go when no child of it lives; it is not used again."""
        with suppress(OSError):
            self._connection.send(b"{}")

    def close(self) -> None:
        """End it and its children."""
        self._connection.close()
        self._life.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=_GRACE_SECONDS)


def _changed_at(folder: Path) -> int:
    """Return when something was last put into a folder or removed from it, 0 where there is none."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _ServerKey:
    """What those who share a server have in common.

    Whoever installs, upgrades or removes a package makes or removes its `.dist-info` beside it, which is
    seen in when the folder of all packages changed: nanoseconds since 1970.
    """

    family: WorkerFamily
    environment: frozenset[tuple[str, str]]
    packages_changed_at: tuple[int, ...]


class ForkServers:
    """This program's fork servers, by what was imported and in which environment; safe from any thread.

    Workers of one family, in one environment, share a server until a package is installed or removed.
    """

    def __init__(
        self, families: tuple[WorkerFamily, ...], packages: Sequence[Path] | None = None
    ) -> None:
        """Start with none. `packages` are folders of installed packages, by default those of this program."""
        self.families = families
        self._packages = package_folders() if packages is None else tuple(packages)
        self._servers: dict[_ServerKey, _ServerProcess] = {}
        self._retired: list[_ServerProcess] = []
        self._lock = threading.Lock()

    def start(self, asked: Start, log: int, progress: int) -> ForkedChild | None:
        """Start a child of a family of workers that import much in common; None where it cannot be forked.

        That is so for other workers, on systems without what this needs, where memory is short, beside
        accelerators (a forked process cannot use one that its parent looked at), and where a server ended:
        whoever asks starts an interpreter then.
        """
        family = next((each for each in self.families if asked.module.startswith(each.names)), None)
        if family is None or not can_fork():
            return None
        message = asked.message()
        if len(message) > LARGEST_BYTES:
            return None
        key = _ServerKey(
            family=family,
            environment=frozenset(_lasting(asked.environment).items()),
            packages_changed_at=tuple(map(_changed_at, self._packages)),
        )
        with self._lock:
            server = self._servers.get(key)
            if server is not None and server.process.poll() is not None:
                server.close()
                server = None
            if server is None:
                server = self._servers[key] = _ServerProcess(family.imports, asked.environment)
                self._retire_the_oldest()
        return server.start(message, log, progress)

    def processes(self) -> "tuple[subprocess.Popen[bytes], ...]":
        """Return those in use."""
        return tuple(server.process for server in self._servers.values())

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            for server in (*self._servers.values(), *self._retired):
                server.close()
            self._servers.clear()
            self._retired.clear()

    def _retire_the_oldest(self) -> None:
        gone = [server for server in self._retired if server.process.poll() is not None]
        for server in gone:
            server.close()
            self._retired.remove(server)
        while len(self._servers) > _MOST_SERVERS:
            oldest = min(self._servers, key=lambda key: self._servers[key].used)
            self._retired.append(self._servers.pop(oldest))
            self._retired[-1].retire()


FORK_SERVERS = ForkServers(FAMILIES)
"""This program's."""
atexit.register(FORK_SERVERS.close)


def can_fork() -> bool:
    """Whether workers may be forked here: on Linux, without an accelerator, with memory left for servers."""
    return (
        hasattr(os, "pidfd_open")
        and Path("/proc/self/task").is_dir()
        and not computes_on_gpus()
        and available_bytes() > _LEAST_FREE_BYTES
    )


def _lasting(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: text
        for name, text in environment.items()
        if name not in _OF_ONE_START and not name.startswith(_OF_ONE_START_PREFIXES)
    }
