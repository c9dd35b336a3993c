"""The keeper: runs the project's Prefect server for as long as somebody needs it.

`python -m …server.keeper STORE PORT` is started detached by the first client. It owns
the server as a child that the kernel kills with it, so that nothing is orphaned however either of them ends;
it ends both when no lease is held and nobody asked the server to stay. A server that dies is started anew
behind the same listening socket, which the keeper holds: requests that come meanwhile wait for it. PORT is
where an earlier keeper of the store listened, or 0: clients that it left behind find the new server there.
"""

import asyncio
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Any

from quantgate.flows.orchestration.server.state import ServerFolder, ServerRecord, health_problem
from quantgate.flows.orchestration.server.tables import lay_tables, prefect_package
from quantgate.pipelines.files.records import write_record
from quantgate.pipelines.process.collecting import collect_seldom, nothing_collected
from quantgate.pipelines.process.launch import PARENT_PID, launched

if TYPE_CHECKING:
    from prefect.server.utilities.messaging.memory import Subscription

POLL_SECONDS = 0.5
GRACE_SECONDS = 5.0
"""How long a server without clients waits for the next one; Prefect writes late records meanwhile."""

_STOP_SECONDS = 10.0
_MOST_UNREADY = 3
"""A server that is killed before anybody saw it ready is started this often in a row: it may be killed at the
very moment when its first client sees it, but one that the kernel kills for its memory has to end."""

_RECORDS_TOGETHER = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "250",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "250",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "1",
}
"""Prefect by itself writes each state of a unit in a transaction of its own."""

_MOST_WAITING = 200_000
"""Messages that may wait to be written: four a unit, of some kilobytes each. Prefect by itself drops what
comes while 10,000 wait, and with it records of units (prefect/server/utilities/messaging/memory.py)."""

_SERVICES_LOOK_EVERY = timedelta(seconds=1)
"""How often what Prefect's server does on a schedule of its own (every 5 to 60 s) is looked for. By itself
it looks four times a second, more than half of what an idle server takes (0.99 CPU-s in 25 s, then 0.42)."""

_LEASES = "prefect.server.concurrency.lease_storage.filesystem"
"""Where it stands until when slots are held. Prefect by itself keeps that in memory: a server that is started
anew knows nothing of it then, and a slot whose holder died is held for ever."""

_LOCK_TRIES = 20
_LOCK_SECONDS = 0.05
"""Whoever asks whether there is a keeper holds its lock for a moment: that is no other keeper."""


def keep(folder: ServerFolder, port: int) -> int:
    """Run the server until nobody needs it; return the exit code. `port` 0 lets the system choose."""
    folder.root.mkdir(parents=True, exist_ok=True)
    with folder.keeper_lock.open("w") as lock:
        if not _is_only_keeper(lock):
            return 0
        # The client waits for this process only: its child carries the lock on, detached for good.
        if os.fork():
            os._exit(0)
        signal.signal(signal.SIGTERM, _raise_exit)
        with _listener(port) as listener:
            return _Keeper(folder, listener).keep()


def serve(descriptor: int) -> None:
    """Be the server: Prefect's own application on a socket that already listens."""
    collect_seldom()
    with nothing_collected():
        import uvicorn
        from docket import Worker
        from prefect.server.api import background_workers
        from prefect.server.api.server import create_app
        from prefect.server.utilities.messaging import memory

    lay_tables(Path(os.environ["PREFECT_HOME"]))
    memory.Subscription = roomy(memory.Subscription)  # type: ignore[misc]
    background_workers.Worker = partial(  # type: ignore[assignment, attr-defined]
        Worker,
        minimum_check_interval=_SERVICES_LOOK_EVERY,
        scheduling_resolution=_SERVICES_LOOK_EVERY,
    )
    config = uvicorn.Config(
        create_app(final=True),
        log_level="warning",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=3,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


def roomy(subscription: "type[Subscription]") -> "type[Subscription]":
    """Return a kind of subscription that drops nothing before `_MOST_WAITING` messages wait."""

    class RoomySubscription(subscription):  # type: ignore[valid-type, misc]
        def __init__(self, *values: Any, **options: Any) -> None:
            super().__init__(*values, **options)
            self._queue: asyncio.Queue[Any] = asyncio.Queue(maxsize=_MOST_WAITING)

    return RoomySubscription


def server_environment(home: Path, url: str) -> dict[str, str]:
    """Return the server's environment: none of the user's Prefect settings, no telemetry.

    `url` is the API's address, which the server's pages ask; they would ask port 4200 by themselves.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return (
        kept
        | pages_folder(prefect_package(), home)
        | {
            "PREFECT_HOME": str(home),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_API_URL": url,
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
            "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": _LEASES,
            "DO_NOT_TRACK": "true",
            **_RECORDS_TOGETHER,
            PARENT_PID: str(os.getpid()),
        }
    )


def pages_folder(package: Path, home: Path) -> dict[str, str]:
    """Return where the server is to copy its pages to, as a setting: nothing where its own place will do.

    Prefect copies them once an environment, into its own package; that fails where the environment is
    another user's, and the pages are then not found.
    """
    if os.access(package / "server", os.W_OK):
        return {}
    return {"PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "pages")}


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """How a server's watch ended. `code` is the exit code, negative for a signal."""

    decided: bool
    was_ready: bool
    code: int


class _Keeper:
    """Starts, watches and ends the server of one store on one listening socket."""

    def __init__(self, folder: ServerFolder, listener: socket.socket) -> None:
        self._folder, self._listener = folder, listener
        self._url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"

    def keep(self) -> int:
        """Return the code of a server that failed before it was ready, or 0 where the end was decided."""
        unready = 0
        while True:
            server = self._start()
            try:
                end = self._watch(server)
            finally:
                self._folder.record_file.unlink(missing_ok=True)
                _stop(server)
            if end.decided:
                return 0
            unready = 0 if end.was_ready else unready + 1
            failed_to_start = not end.was_ready and end.code >= 0
            if failed_to_start or unready == _MOST_UNREADY:
                return end.code or 1

    def _start(self) -> "subprocess.Popen[bytes]":
        descriptor = self._listener.fileno()
        server = subprocess.Popen(
            [
                sys.executable,
                *launched("quantgate.flows.orchestration.server.keeper"),
                "--serve",
                str(descriptor),
            ],
            stdin=subprocess.DEVNULL,
            env=server_environment(self._folder.home, self._url),
            pass_fds=(descriptor,),
        )
        record = ServerRecord(
            url=self._url,
            host=socket.gethostname(),
            keeper_pid=os.getpid(),
            server_pid=server.pid,
        )
        write_record(self._folder.record_file, record)
        return server

    def _watch(self, server: "subprocess.Popen[bytes]") -> _End:
        """Wait for the server's end, or decide it."""
        ready, needed = False, time.monotonic()
        while server.poll() is None:
            time.sleep(POLL_SECONDS)
            ready = ready or health_problem(self._url) is None
            if self._folder.stay.exists() or self._folder.live_leases():
                needed = time.monotonic()
            elif time.monotonic() - needed > GRACE_SECONDS and _end_decided(self._folder):
                return _End(decided=True, was_ready=ready, code=0)
        return _End(decided=False, was_ready=ready, code=server.returncode)


def _is_only_keeper(lock: IO[str]) -> bool:
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_SECONDS)
        else:
            return True
    return False


def _listener(port: int) -> socket.socket:
    """Listen on this port, or on another where somebody else has it by now."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))


def _end_decided(folder: ServerFolder) -> bool:
    """Withdraw the address under the start lock, unless a client came in just now."""
    with folder.start_lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if folder.stay.exists() or folder.live_leases():
            return False
        folder.record_file.unlink(missing_ok=True)
        return True


def _stop(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    try:
        server.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _raise_exit(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(int(sys.argv[2]))
    else:
        sys.exit(keep(ServerFolder(root=Path(sys.argv[1])), int(sys.argv[2])))
