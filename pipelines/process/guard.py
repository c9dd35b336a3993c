"""Runs a foreign program in a process group of its own that ends with whoever asked for it.

`python -m quantgate.pipelines.process.guard STATUS PROGRAM ARGUMENT…` lives as long as the program does and
its standard input stays open. The one who started it holds the other end of that pipe: when it dies, however
it dies, the kernel closes the pipe, and the program's whole group is ended, helpers it forked included.
Should the guard itself be killed, its second, a forked process that waits for just that, ends the group.

STATUS is a file descriptor that was opened and locked (flock) by the starter. The lock is free again when
the guard is gone, however it went; the file then holds the exit code, or nothing where it was killed. So any
process can see whether the program runs, and how it ended.

What a program leaves behind is asked to end (SIGTERM) and has two seconds to remove its shared memory before
it is killed. On Linux the guard also takes in helpers that made sessions of their own.

Its exit code is the program's, or 128 and the signal's number as shells have it, or 127 where the program
cannot be started. Only the standard library is imported: it has to be small and quick.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from quantgate.pipelines.domain.secrets import redacted_bytes, secret_values

GRACE_SECONDS = 10.0
CLEANING_SECONDS = 2.0
NOT_STARTED = 127
BY_SIGNAL = 128
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LOOK_EVERY_SECONDS = 0.05
_CHUNK_BYTES = 1 << 16
_DONE = b"."


def guard(status: int, command: list[str]) -> int:
    """Run the command until it ends or standard input is closed; return and note the exit code."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the pipe says when to end
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    code = _guarded(status, command)
    os.pwrite(status, str(code).encode(), 0)
    return code


def _guarded(status: int, command: list[str]) -> int:
    secrets = secret_values(os.environ)
    try:
        program = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if secrets else None,
            stderr=subprocess.STDOUT if secrets else None,
            start_new_session=True,
            preexec_fn=_begin,  # safe: there is one thread here
        )
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", file=sys.stderr)
        return NOT_STARTED
    second, done_end = _second(program.pid, status)
    copying = threading.Thread(target=_copy, args=(program.stdout, secrets), daemon=True)
    if program.stdout is not None:
        copying.start()
    group = _Group(leader=program.pid, second=second)
    if not _asked_to_end(program, group):
        group.signal(signal.SIGTERM)
    group.end()
    code = program.wait()
    group.end_orphans()
    os.write(done_end, _DONE)
    if program.stdout is not None:
        copying.join(timeout=1.0)
    return code if code >= 0 else BY_SIGNAL - code


def _asked_to_end(program: "subprocess.Popen[bytes]", group: "_Group") -> bool:
    """Wait for the program's end; return whether it was asked to, once, as standard input was closed.

    Some servers take a second signal for impatience and leave without cleaning up.
    """
    while program.poll() is None:
        ready, _, _ = select.select([0], [], [], _LOOK_EVERY_SECONDS)
        if ready and not os.read(0, 1024):
            group.signal(signal.SIGTERM)
            _wait(lambda: program.poll() is not None, GRACE_SECONDS)
            return True
    return False


def _second(group: int, status: int) -> tuple[int, int]:
    """Fork what ends the group when this process is killed; return its id and the pipe it waits at."""
    heard, done_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(heard)
        return pid, done_end
    os.setsid()
    os.close(done_end)
    os.close(status)  # the lock is the guard's
    if not os.read(heard, 1):
        left = _Group(leader=group, second=os.getpid())
        left.signal(signal.SIGTERM)
        left.end()
    os._exit(0)


class _Group:
    """The program's process group. `second` is this process's other child, which is left alone."""

    def __init__(self, *, leader: int, second: int) -> None:
        self._leader, self._second = leader, second

    def end(self) -> None:
        """Wait two seconds for those who were asked to end, and kill what is left."""
        _wait(lambda: not self.signal(0), CLEANING_SECONDS)
        self.signal(signal.SIGKILL)

    def end_orphans(self) -> None:
        """End helpers that left the group: the kernel gave them to this process when their parents died."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._orphans():
                _signal(os.kill, pid, sign)
            if _wait(lambda: not self._orphans(), CLEANING_SECONDS):
                return

    def signal(self, sign: int) -> bool:
        """Send it a signal; return whether anybody is in it."""
        self._orphans()  # buries those who ended
        return _signal(os.killpg, self._leader, sign)

    def _orphans(self) -> list[int]:
        """Return children that were others' and live."""
        try:
            listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        except OSError:
            return []
        others = {int(pid) for pid in listed} - {self._leader, self._second}
        return [pid for pid in others if os.waitpid(pid, os.WNOHANG) == (0, 0)]


def _copy(output: BinaryIO, secrets: frozenset[str]) -> None:
    """Copy the program's output, without what only the program and its users may know."""
    kept = b""
    while chunk := os.read(output.fileno(), _CHUNK_BYTES):
        lines, end, kept = (kept + chunk).rpartition(b"\n")
        if len(kept) > _CHUNK_BYTES:
            lines, end, kept = lines + end + kept, b"", b""
        _write(redacted_bytes(lines, secrets) + end)
    _write(redacted_bytes(kept, secrets))


def _write(output: bytes) -> None:
    while output:
        output = output[os.write(1, output) :]


def _begin() -> None:
    """In the program's process, before it is one: default signals, and an end with the guard's."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


def _wait(ended: Callable[[], bool], seconds: float) -> bool:
    """Wait until something has ended, at most so long; return whether it has."""
    deadline = time.monotonic() + seconds
    while not ended():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY_SECONDS)
    return True


def _signal(send: Callable[[int, int], None], to: int, sign: int) -> bool:
    try:
        send(to, sign)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    sys.exit(guard(int(sys.argv[1]), sys.argv[2:]))
