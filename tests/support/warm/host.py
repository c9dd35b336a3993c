"""Forks workers of torch for tests; `python -m tests.support.warm.host SOCKET PREFIX PACKAGE…` runs it."""

import atexit
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from quantgate.pipelines.process.launch import (
    PARENT_PID,
    die_with_parent,
    leave_out_what_is_never_used,
)


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
    os.chdir(str(asked["folder"]))
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
