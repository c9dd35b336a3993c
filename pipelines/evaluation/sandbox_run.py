"""One program run in a sandbox: what is said to it, what it may say, and how it ends."""

import contextlib
import json
import os
import secrets
import selectors
import subprocess
import time
from dataclasses import dataclass, field
from typing import IO

from pipelines.domain.errors import WorkerError
from pipelines.domain.values import JsonValue
from pipelines.evaluation.sandbox import Limits, SandboxKind, order, start

_START_SECONDS = 30.0
_GRACE_SECONDS = 3.0
_MOST_SAID_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a program; `sandbox` is where it ran."""

    passed: bool
    reason: str
    sandbox: SandboxKind


class UnstartedError(WorkerError):
    """The sandbox itself did not start; nothing is known of the program."""


def run_program(kind: SandboxKind, programs: list[str], tests: str, limits: Limits) -> Outcome:
    """Run the first of `programs` that compiles, then its tests, in the same module.

    Raises:
        UnstartedError: where the sandbox did not start.
    """
    nonce = secrets.token_hex(16)
    child = start(kind, limits)
    talk = _Talk(child=child)
    try:
        talk.send(json.dumps(order(limits, programs)))
        if talk.hear(time.monotonic() + _START_SECONDS) != {"state": "ready"}:
            raise UnstartedError(
                f"sandbox {kind} did not start: {_last_words(child)}", where="code"
            )
        said = _said(talk, time.monotonic() + limits.seconds, tests, nonce)
    finally:
        _end(child)
    if said is None:
        ended = (
            "ran out of time" if talk.late else "ended the process before the tests were through"
        )
        seconds = f" ({limits.seconds:g} s)" if talk.late else ""
        return Outcome(passed=False, reason=f"{ended}{seconds}", sandbox=kind)
    passed = said == {"state": "passed", "nonce": nonce}
    what = said.get("what") if isinstance(said, dict) else None
    reason = "passed the tests" if passed else str(what or "wrote a verdict of its own")[:300]
    return Outcome(passed=passed, reason=reason, sandbox=kind)


def _said(talk: "_Talk", deadline: float, tests: str, nonce: str) -> JsonValue:
    said = talk.hear(deadline)
    if said == {"state": "loaded"}:
        talk.send(json.dumps({"tests": tests, "nonce": nonce}))
        said = talk.hear(deadline)
    return said


@dataclass(slots=True, kw_only=True)
class _Talk:
    """Lines to and from a process that may neither read, nor end, nor stop talking."""

    child: "subprocess.Popen[bytes]"
    late: bool = False
    _unsent: bytes = b""
    _unread: bytes = b""
    _said_bytes: int = field(default=0)

    def send(self, line: str) -> None:
        self._unsent += line.encode() + b"\n"

    def hear(self, deadline: float) -> JsonValue:
        """Return the next line's value; None at its end, at the deadline, or where it is no JSON."""
        reader, writer = _pipe(self.child.stdout), _pipe(self.child.stdin)
        while b"\n" not in self._unread:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                self.late = True
                return None
            with selectors.DefaultSelector() as selector:
                selector.register(reader, selectors.EVENT_READ)
                if self._unsent:
                    selector.register(writer, selectors.EVENT_WRITE)
                ready = [key.fd for key, _ in selector.select(min(remaining, 0.5))]
            if writer in ready:
                self._write(writer)
            if reader in ready and not self._read(reader):
                return None
        line, _, self._unread = self._unread.partition(b"\n")
        try:
            value: JsonValue = json.loads(line)
        except (ValueError, RecursionError):
            return {"what": "wrote a verdict of its own"}
        return value

    def _write(self, writer: int) -> None:
        os.set_blocking(writer, False)
        try:
            self._unsent = self._unsent[os.write(writer, self._unsent) :]
        except BrokenPipeError:
            self._unsent = b""

    def _read(self, reader: int) -> bool:
        chunk = os.read(reader, 8192)
        self._unread += chunk
        self._said_bytes += len(chunk)
        return bool(chunk) and self._said_bytes <= _MOST_SAID_BYTES


def _pipe(stream: "IO[bytes] | None") -> int:
    assert stream is not None
    return stream.fileno()


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End the whole tree: what holds the sandbox kills it, or dies and takes it along."""
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
