"""The keeper: runs the project's Prefect server for as long as somebody needs it.

`python -m flows.prefect_keeper STORE` is started detached by the first client. It owns the server as a
child that the kernel kills with it, so that nothing is orphaned however either of them ends; it ends
both when no lease is held and nobody asked the server to stay.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from flows.prefect_state import ServerFolder, ServerRecord
from pipelines.files.records import write_record
from pipelines.process.harness import die_with_parent

POLL_SECONDS = 0.5
GRACE_SECONDS = 5.0
"""How long a server without clients waits for the next one; Prefect writes late records meanwhile."""

_STOP_SECONDS = 10.0
_PARENT_PID = "QUANTGATE_KEEPER_PID"


def keep(folder: ServerFolder) -> int:
    """Run the server until nobody needs it; return the exit code."""
    folder.root.mkdir(parents=True, exist_ok=True)
    with folder.keeper_lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0  # there is a keeper already
        # The client waits for this process only: its child carries the lock on, detached for good.
        if os.fork():
            os._exit(0)
        signal.signal(signal.SIGTERM, _raise_exit)
        server = _start_server(folder)
        try:
            return _watch(server, folder)
        finally:
            folder.record_file.unlink(missing_ok=True)
            _stop(server)


def serve(descriptor: int) -> None:
    """Be the server: Prefect's own application on a socket that already listens."""
    die_with_parent(int(os.environ[_PARENT_PID]))

    import uvicorn
    from prefect.server.api.server import create_app

    config = uvicorn.Config(
        create_app(final=True),
        log_level="warning",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=3,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


def server_environment(home: Path) -> dict[str, str]:
    """Return the server's environment: none of the user's Prefect settings, no telemetry."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return kept | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
        "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
        "DO_NOT_TRACK": "true",
        _PARENT_PID: str(os.getpid()),
    }


def _start_server(folder: ServerFolder) -> "subprocess.Popen[bytes]":
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = subprocess.Popen(
            [sys.executable, "-m", "flows.prefect_keeper", "--serve", str(listener.fileno())],
            stdin=subprocess.DEVNULL,
            env=server_environment(folder.home),
            pass_fds=(listener.fileno(),),
        )
    record = ServerRecord(
        url=f"http://127.0.0.1:{port}/api",
        host=socket.gethostname(),
        keeper_pid=os.getpid(),
        server_pid=server.pid,
    )
    write_record(folder.record_file, record)
    return server


def _watch(server: "subprocess.Popen[bytes]", folder: ServerFolder) -> int:
    """Return when the server died (its code), or when its end was decided (0)."""
    needed = time.monotonic()
    while server.poll() is None:
        time.sleep(POLL_SECONDS)
        if folder.stay.exists() or folder.live_leases():
            needed = time.monotonic()
        elif time.monotonic() - needed > GRACE_SECONDS and _end_decided(folder):
            return 0
    return server.returncode


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
        sys.exit(keep(ServerFolder(root=Path(sys.argv[1]))))
