"""A `RunWorker` for tests of what computes with torch: each call is forked from a process that imported it.

Importing torch and transformers costs a child six to eight seconds of processor time, and most calls of
tests one. Here a host imports them once a test process; for each call it forks a child, which gets the
environment, the files and the arguments of the child that it stands for, and runs the worker's module as
`python -m` would. What `run_worker` does with a child (request, log, progress, reply, crashes) stays.

`python -m tests.support.warm SOCKET PACKAGE…` is the host.
"""

import atexit
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

from quantgate.pipelines.process.calls import OnProgress, Reply, WorkerCall, WorkerReply
from quantgate.pipelines.process.launch import (
    PARENT_PID,
    die_with_parent,
    leave_out_what_is_never_used,
)
from quantgate.pipelines.process.runner import run_worker, worker_environment
from tests.support.project import PROJECT

THREADS = 1
"""Calls for another number of threads get a child of their own: OpenMP reads it once."""
ENGINES = "quantgate.pipelines.engines."
IMPORTED = {
    f"{ENGINES}transformers.workers.": ("transformers.models.llama.modeling_llama",),
    f"{ENGINES}llmcompressor.workers.": (
        "transformers.models.llama.modeling_llama",
        "llmcompressor.modifiers",
    ),
}
CLIENT = """#!{python} -IS
import json, os, signal, socket, sys

progress = int(os.environ["QUANTGATE_PROGRESS_FD"])
asked = {{"arguments": sys.argv[3:], "environment": dict(os.environ), "progress": progress}}
message = json.dumps(asked).encode()
with socket.socket(socket.AF_UNIX) as host:
    host.connect({address!r})
    socket.send_fds(host, [len(message).to_bytes(4, "big")], [0, 1, 2, progress])
    host.sendall(message)
    os.close(progress)
    status = int(host.recv(16) or b"1")
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
"""


def run_warm(
    call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
) -> WorkerReply[Reply]:
    """Run a worker of torch by the host, and any other as a child of its own; see `RunWorker`."""
    prefix = next((prefix for prefix in IMPORTED if call.module.startswith(prefix)), None)
    if prefix is not None and call.python is None and call.threads == THREADS:
        call = replace(call, python=_client(prefix))
    return run_worker(call, reply_type, on_progress)


@cache
def _client(prefix: str) -> Path:
    """Start the host of these workers; return the program that stands for an interpreter."""
    folder = Path(tempfile.mkdtemp(prefix="quantgate-warm-"))
    address = str(folder / "socket")
    host = subprocess.Popen(
        [sys.executable, "-m", "tests.support.warm", address, prefix, *IMPORTED[prefix]],
        cwd=PROJECT,
        env=worker_environment(THREADS),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert host.stdin is not None and host.stdout is not None
    atexit.register(host.communicate)  # it ends with its standard input
    assert host.stdout.readline() == b"ready\n"
    client = folder / "python"
    client.write_text(CLIENT.format(python=sys.executable, address=address))
    client.chmod(0o700)
    return client


def _serve(address: str, prefix: str, *packages: str) -> None:
    """Fork a keeper for each call, until whoever started this closes its end of standard input."""
    atexit.register(shutil.rmtree, Path(address).parent, ignore_errors=True)
    leave_out_what_is_never_used(prefix)
    for package in packages:
        importlib.import_module(package)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listener.fileno(), sys.stdin.fileno()], [], [])
            if sys.stdin.fileno() in ready:
                break
            connection, _ = listener.accept()
            _bury_ended()
            if os.fork() == 0:
                listener.close()
                os._exit(_keep(connection))
            connection.close()
    _bury_ended()


def _bury_ended() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _keep(connection: socket.socket) -> int:
    """Fork the worker; tell how it ended, or end it where nobody waits any more."""
    head, files, _, _ = socket.recv_fds(connection, 4, 4)
    asked = json.loads(_received(connection, int.from_bytes(head, "big")))
    keeper = os.getpid()
    worker = os.fork()
    if worker == 0:
        connection.close()
        os._exit(_work(asked, files, keeper))
    for file in files:
        os.close(file)
    ended = os.pidfd_open(worker)
    ready, _, _ = select.select([connection.fileno(), ended], [], [])
    if ended not in ready:
        os.kill(worker, signal.SIGKILL)
    _, status = os.waitpid(worker, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    return 0


def _received(connection: socket.socket, size_bytes: int) -> bytes:
    content = b""
    while len(content) < size_bytes and (part := connection.recv(size_bytes - len(content))):
        content += part
    return content


def _work(asked: dict[str, object], files: list[int], keeper: int) -> int:
    """Become the child that was asked for, and return its exit code."""
    environment, arguments, progress = asked["environment"], asked["arguments"], asked["progress"]
    assert isinstance(environment, dict) and isinstance(arguments, list)
    assert isinstance(progress, int)
    os.environ.clear()
    os.environ.update(environment | {PARENT_PID: str(keeper)})
    places = dict(zip((0, 1, 2, progress), files, strict=True))
    aside = {place: os.dup(file) for place, file in places.items()}
    for place, file in aside.items():
        os.dup2(file, place)
    die_with_parent(keeper)
    sys.argv = arguments
    try:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except Exception:  # noqa: BLE001  # a crash ends the child as it ends an interpreter
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    _serve(*sys.argv[1:])
