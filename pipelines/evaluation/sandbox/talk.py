"""Lines to and from a sandbox, whose program may neither read, nor end, nor stop talking."""

import contextlib
import json
import os
import select
import subprocess
import time
from dataclasses import dataclass, field
from typing import IO

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.evaluation.sandbox.clock import LOOK_SECONDS, SandboxClock
from quantgate.pipelines.evaluation.sandbox.kinds import SandboxKind

_START_SECONDS = 120.0
_GRACE_SECONDS = 3.0
_MOST_SAID_BYTES = 64 << 20
_READY = {"state": "ready"}


class UnstartedError(WorkerError):
    """The sandbox itself did not start; nothing is known of the program."""


@dataclass(slots=True, kw_only=True)
class Talk:
    """A sandbox and what was heard of it; `late` says that it ran out of time."""

    child: "subprocess.Popen[bytes]"
    late: bool = False
    _unsent: bytearray = field(default_factory=bytearray)
    _unread: bytearray = field(default_factory=bytearray)
    _searched_bytes: int = 0
    _said_bytes: int = 0

    def send(self, line: str) -> None:
        """Say a line, as soon as it is read."""
        self.pass_on(line.encode())

    def pass_on(self, line: bytes) -> None:
        """Say a line that somebody else wrote."""
        self._unsent += line + b"\n"

    def require_ready(self, kind: SandboxKind, where: str) -> None:
        """Wait until all limits are in force.

        Raises:
            UnstartedError: where that does not come about.
        """
        deadline = time.monotonic() + _START_SECONDS
        while (line := self._line()) is None and time.monotonic() < deadline:
            if self._next() is False:
                break
        if line != json.dumps(_READY).encode():
            words = _last_words(self.child)
            raise UnstartedError(f"sandbox {kind} did not start: {words}", where=where)

    def hear(self, clock: SandboxClock) -> bytes | None:
        """Return the next line; None at its end, where its time is over, or where it says too much.

        Raises:
            BusyError: where the machine has no time for it.
        """
        while (line := self._line()) is None:
            heard = self._next()
            if heard is False:
                return None
            if clock.is_late(silent=heard is None):
                self.late = True
                return None
        return line

    def end(self) -> None:
        """End the whole tree: what holds the sandbox kills it, or dies and takes it along."""
        _end(self.child)

    def _line(self) -> bytes | None:
        """Take the next whole line; what was searched is not searched again."""
        end = self._unread.find(b"\n", self._searched_bytes)
        if end < 0:
            self._searched_bytes = len(self._unread)
            return None
        line = bytes(self._unread[:end])
        del self._unread[: end + 1]
        self._searched_bytes = 0
        return line

    def _next(self) -> bool | None:
        """Say and hear a little; True where something was heard, None where not yet, False at the end."""
        reader, writer = _pipe(self.child.stdout), _pipe(self.child.stdin)
        if self._unsent:
            self._write(writer)
        waiting = [writer] if self._unsent else []
        ready, writable, _ = select.select([reader], waiting, [], LOOK_SECONDS)
        if not ready:
            return True if writable else None
        return self._read(reader)

    def _write(self, writer: int) -> None:
        os.set_blocking(writer, False)
        try:
            del self._unsent[: os.write(writer, self._unsent)]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent.clear()

    def _read(self, reader: int) -> bool:
        chunk = os.read(reader, 1 << 16)
        self._unread += chunk
        self._said_bytes += len(chunk)
        return bool(chunk) and self._said_bytes <= _MOST_SAID_BYTES


def _pipe(stream: "IO[bytes] | None") -> int:
    assert stream is not None
    return stream.fileno()


def _end(child: "subprocess.Popen[bytes]") -> None:
    for ask in (child.terminate, child.kill):
        if child.poll() is None:
            ask()
        try:
            child.wait(timeout=_GRACE_SECONDS)
            break
        except subprocess.TimeoutExpired:
            continue
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def _last_words(child: "subprocess.Popen[bytes]") -> str:
    """The last line on standard error, once the process has been told to end."""
    child.terminate()
    assert child.stderr is not None
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=_GRACE_SECONDS)
    os.set_blocking(child.stderr.fileno(), False)
    lines = (child.stderr.read() or b"").decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
