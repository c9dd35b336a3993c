"""Starting a server by its command, waiting until it answers, and ending it with all that it started."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipelines.domain.errors import WorkerError
from pipelines.process.guard import BY_SIGNAL, GRACE_SECONDS, NOT_STARTED

_TAIL_BYTES = 8192
_TAIL_LINES = 5
_LOOK_EVERY_SECONDS = 0.1
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def filled(command: tuple[str, ...], values: Mapping[str, object]) -> list[str]:
    """Return a command with its placeholders filled in; other braces stay as they are."""

    def value(found: re.Match[str]) -> str:
        return str(values.get(found[1], found[0]))

    return [_PLACEHOLDER.sub(value, part) for part in command]


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class ServerProcess:
    """A started server behind its guard; see `pipelines.process.guard`."""

    def __init__(self, guard: "subprocess.Popen[bytes]", engine: str, log: Path) -> None:
        """Watch a guard that was just started."""
        self._guard, self._engine, self._log = guard, engine, log

    def died(self) -> WorkerError | None:
        """Return why the server is no more, with its last words; None while it runs."""
        code = self._guard.poll()
        if code is None:
            return None
        return WorkerError(
            f"{self._engine} {ending(code)}; its last words: {self.last_words()}",
            next_step="its whole output stands in the log",
            log=self._log,
        )

    def wait_until_ready(self, ready: Callable[[], bool], timeout_seconds: float) -> None:
        """Return once the server says that it can be asked.

        Raises:
            WorkerError: where it ends before, or takes too long.
        """
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            if error := self.died():
                raise error
            if time.monotonic() > deadline:
                raise WorkerError(
                    f"{self._engine} did not answer within {timeout_seconds:g} s; its last words: "
                    f"{self.last_words()}",
                    next_step="give it longer: startup_timeout_seconds",
                    log=self._log,
                )
            time.sleep(_LOOK_EVERY_SECONDS)
        if error := self.died():  # somebody else answers at this port
            raise error

    def last_words(self) -> str:
        """Return the last lines of the server's output."""
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").strip().splitlines()
        return " | ".join(line.strip() for line in lines[-_TAIL_LINES:]) or "none"

    def stop(self) -> None:
        """End the server and what it started, and wait for that."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        try:
            self._guard.wait(timeout=GRACE_SECONDS + 5)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()


@contextmanager
def started(command: list[str], engine: str, log: Path) -> Iterator[ServerProcess]:
    """Run a server for the time of a `with` block; its output is added to `log`.

    It has a process group of its own, gets this process's environment, and ends with this process,
    however that ends.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        guard = subprocess.Popen(
            [sys.executable, "-m", "pipelines.process.guard", *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    process = ServerProcess(guard, engine, log)
    try:
        yield process
    finally:
        process.stop()


def ending(code: int) -> str:
    """Say how a guarded program ended, from its guard's exit code."""
    if code == NOT_STARTED:
        return "could not be started"
    number = -code if code < 0 else code - BY_SIGNAL
    if number in {sign.value for sign in signal.Signals}:
        name = signal.Signals(number).name
        return f"was killed by {name}{' (often: out of memory)' if name == 'SIGKILL' else ''}"
    return f"ended with exit code {code}"
