"""A fork server: it imports what a family of workers has in common once, and forks a child for each start.

`python -m quantgate.pipelines.process.forking.server SOCKET LIFE MODULE…` imports these modules, serves
whoever holds the other end of the socket, and ends with them: LIFE is a pipe whose other end they hold, and
the kernel kills this process when that is closed, also while it imports. A start is one message: a JSON
object (`Start`), with three descriptors: the log, the progress pipe's end, and the pipe to which the child's
process id is written, and its exit code when it has ended. An empty object asks the server to go as soon as
no child lives; so does a minute without any.

What is forked must have one thread: a lock that another one held would stay locked for ever, and OpenMP waits
for threads that are gone. The server looks before it forks, and ends where there are others; whoever asked
then starts an interpreter as ever. Threads of jemalloc do not count: it makes them anew in the child.
"""

import array
import fcntl
import importlib
import json
import os
import runpy
import select
import selectors
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from quantgate.pipelines.process.collecting import nothing_collected
from quantgate.pipelines.process.launch import (
    PARENT_PID,
    die_with_parent,
    leave_out_what_is_never_used,
)

LARGEST_BYTES = 1 << 17
_DESCRIPTORS = 3
_IDLE_SECONDS = 60.0
_TASKS = Path("/proc/self/task")
_SAFE_THREADS = ("jemalloc_bg_thd",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A module that is to run as `python -m MODULE ARGUMENT…` does, in a folder and an environment.

    `progress_variable` names what tells the child the number of the progress pipe's end.
    """

    module: str
    arguments: list[str]
    folder: str
    progress_variable: str
    environment: dict[str, str] = field(repr=False)

    def message(self) -> bytes:
        """Return it as it is sent."""
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Received:
    start: Start
    log: int
    progress: int
    status: int


class _ForkServer:
    """Forks children and reports how they end."""

    def __init__(self, connection: socket.socket, life: int, variables: dict[str, str]) -> None:
        """Serve a connection; `variables` are what was set while modules were imported."""
        self._connection, self._life, self._variables = connection, life, variables
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection, selectors.EVENT_READ)
        self._status: dict[int, tuple[int, int]] = {}
        self._retired = False

    def next_start(self) -> Start:
        """Fork a child for each message, and return what it is to run, in the child alone."""
        while True:
            idle = _IDLE_SECONDS * (not self._retired)
            ready = self._selector.select(None if self._status else idle)
            if not ready:
                os._exit(0)
            for key, _ in ready:
                if key.fileobj is not self._connection:
                    self._report(key.fd)
                elif (received := self._received()) is not None and self._forked(received):
                    return received.start

    def _received(self) -> _Received | None:
        message, ancillary, _, _ = self._connection.recvmsg(
            LARGEST_BYTES, socket.CMSG_SPACE(_DESCRIPTORS * array.array("i").itemsize)
        )
        if not message:
            os._exit(0)  # nobody is there any more: the kernel ends the children with this process
        numbers = array.array("i")
        for _level, _kind, content in ancillary:
            numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
        asked = json.loads(message)
        if not asked:
            self._retired = True
            return None
        log, progress, status = numbers
        return _Received(start=Start(**asked), log=log, progress=progress, status=status)

    def _forked(self, received: _Received) -> bool:
        """Fork; return whether this is the child."""
        if not _may_fork():
            os._exit(1)
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._leave()
            _become(received, server, self._variables)
            return True
        with suppress(BrokenPipeError):
            os.write(received.status, f"{pid}\n".encode())
        os.close(received.log)
        os.close(received.progress)
        handle = os.pidfd_open(pid)
        self._status[handle] = (pid, received.status)
        self._selector.register(handle, selectors.EVENT_READ)
        return False

    def _report(self, handle: int) -> None:
        pid, status = self._status.pop(handle)
        self._selector.unregister(handle)
        os.close(handle)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with suppress(BrokenPipeError):
            os.write(status, f"{code}\n".encode())
        os.close(status)

    def _leave(self) -> None:
        """In a child: close what is the server's, other children's pipes with it."""
        self._selector.close()
        self._connection.close()
        os.close(self._life)
        for handle, (_pid, status) in self._status.items():
            os.close(handle)
            os.close(status)


def _end_with(life: int) -> None:
    """Have the kernel kill this process when the other end of a pipe is closed, in which nobody writes.

    Not by PR_SET_PDEATHSIG: that comes when the thread ends that started this process (prctl(2)). A pipe
    tells its reader's owner of a hang-up by the signal that F_SETSIG names (fcntl(2), `O_ASYNC`).
    """
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([life], [], [], 0)[0]:
        os._exit(1)  # it was closed before the kernel was asked


def _import(modules: list[str]) -> dict[str, str]:
    """Import modules, and return what variables that set. One that cannot be imported fails in each child."""
    before = dict(os.environ)
    with nothing_collected():  # children that collect do not touch, and so copy, what is shared
        for module in modules:
            leave_out_what_is_never_used(module)
            with suppress(Exception):
                importlib.import_module(module)
    return {name: text for name, text in os.environ.items() if before.get(name) != text}


def _may_fork() -> bool:
    names = [
        (task / "comm").read_text().strip()
        for task in _TASKS.iterdir()
        if task.name != str(os.getpid())
    ]
    return all(name in _SAFE_THREADS for name in names)


def _become(received: _Received, server: int, variables: dict[str, str]) -> None:
    """In a child: take on what a process of its own would have got."""
    start = received.start
    die_with_parent(server)
    os.setsid()
    os.close(received.status)
    _print_to(received.log)
    os.close(received.log)
    os.environ.clear()
    os.environ.update(start.environment | variables)
    os.environ[PARENT_PID] = str(server)
    os.environ[start.progress_variable] = str(received.progress)
    os.chdir(start.folder)
    sys.argv[:] = [start.module, *start.arguments]


def _print_to(descriptor: int) -> None:
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


if __name__ == "__main__":
    connection, life = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    _end_with(life)
    server = _ForkServer(connection, life, _import(sys.argv[3:]))
    start = server.next_start()
    sys.modules.pop(start.module, None)  # its code runs as the program now
    runpy.run_module(start.module, run_name="__main__", alter_sys=True)
