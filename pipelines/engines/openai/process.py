"""Starting a server by its command, seeing from any process whether it runs, and ending all it started."""

import fcntl
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.engines.openai.log import log_since, reason_in
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.pipelines.process.endings.causes import brought_upon_itself, killed_by, signal_of
from quantgate.pipelines.process.guard import GRACE_SECONDS, NOT_STARTED

_GUARD = "quantgate.pipelines.process.guard"
_LOOK_EVERY_SECONDS = 0.1
_ENDING_SECONDS = GRACE_SECONDS + 10
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def filled(command: tuple[str, ...], values: Mapping[str, object]) -> list[str]:
    """Return a command with its placeholders filled in; other braces stay as they are."""

    def value(placeholder: re.Match[str]) -> str:
        return str(values.get(placeholder[1], placeholder[0]))

    return [_PLACEHOLDER.sub(value, part) for part in command]


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedServer:
    """A server that was started, as any process may look at it.

    `log` is where its output is added, from `log_start_bytes` on. `status` is locked as long as its guard
    lives and then holds the exit code; see `pipelines.process.guard`, which is process `guard`.
    `started_at` is by the steady clock of the machine, which all its processes share; None where others asked
    it before.
    """

    engine: str
    url: str
    log: Path
    log_start_bytes: int
    status: Path
    guard: int
    started_at: float | None = None

    def died(self) -> WorkerError | None:
        """Return why the server is no more, with the reason its output gives; None while it runs."""
        code = _exit_code(self.status)
        if code is None:
            return None
        return WorkerError(
            f"{self.engine} {ending(code)}: {reason_in(self.output())}",
            next_step="its whole output stands in the log",
            log=self.log,
        )

    def killed(self) -> bool:
        """Whether a signal ended it that says nothing of what it was given."""
        code = _exit_code(self.status)
        number = None if code is None or code == NOT_STARTED else signal_of(code)
        return number is not None and not brought_upon_itself(number)

    def wait_until_ready(self, ready: Callable[[], bool], timeout_seconds: float) -> float | None:
        """Return once the server says that it can be asked: with the seconds since its start.

        None where others asked it before.

        Raises:
            WorkerError: where it ends before, or takes too long.
        """
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            if error := self.died():
                raise error
            if time.monotonic() > deadline:
                raise WorkerError(
                    f"{self.engine} did not answer within {timeout_seconds:g} s; its output ends with: "
                    f"{reason_in(self.output())}",
                    next_step="give it longer: startup_timeout_seconds",
                    log=self.log,
                )
            time.sleep(_LOOK_EVERY_SECONDS)
        if error := self.died():  # somebody else answers at this port
            raise error
        return None if self.started_at is None else time.monotonic() - self.started_at

    def output(self) -> str:
        """Return all that it wrote since it was started."""
        return log_since(self.log, self.log_start_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What starts a server: its filled command, its whole environment, and where its output is added."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    engine: str
    url: str
    log: Path


@contextmanager
def started(launch: Launch) -> Iterator[StartedServer]:
    """Run a server for the time of a `with` block; return without waiting until it can be asked.

    It has a process group of its own and ends with this process, however that ends.
    """
    launch.log.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder() as folder:
        status = folder / "status"
        with status.open("wb") as lock, launch.log.open("ab") as output:
            fcntl.flock(lock, fcntl.LOCK_EX)
            start_bytes, started_at = output.tell(), time.monotonic()
            guard = subprocess.Popen(
                [sys.executable, "-m", _GUARD, str(lock.fileno()), *launch.command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=dict(launch.environment),
                pass_fds=(lock.fileno(),),
                start_new_session=True,
            )  # fmt: skip
        try:
            yield StartedServer(
                engine=launch.engine,
                url=launch.url,
                log=launch.log,
                log_start_bytes=start_bytes,
                status=status,
                guard=guard.pid,
                started_at=started_at,
            )
        finally:
            _stop(guard)


def _stop(guard: "subprocess.Popen[bytes]") -> None:
    """End the server and what it started, and wait for that."""
    if guard.stdin is not None:
        guard.stdin.close()
    try:
        guard.wait(timeout=_ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        guard.kill()
        guard.wait()


def _exit_code(status: Path) -> int | None:
    """The guarded program's exit code, None while it runs; a killed guard left none behind."""
    try:
        with status.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return int(lock.read() or -signal.SIGKILL)
    except BlockingIOError:
        return None
    except FileNotFoundError:  # the block that started it is left
        return -signal.SIGTERM


def ending(code: int) -> str:
    """Say how a guarded program ended, from its guard's exit code."""
    if code == NOT_STARTED:
        return "could not be started"
    number = signal_of(code)
    return f"ended with exit code {code}" if number is None else killed_by(number)
