"""Python runs this first in every child that finds it on its path; see `tests.support.warm`.

A worker for which QUANTGATE_TESTS_HOSTS names a host (`PREFIX=SOCKET;…`) hands all that it was given to that
host, and ends as the fork ends. Everything else goes on as it would.
"""

import os
import sys

LAUNCH = "quantgate.pipelines.process.launch"


def _host() -> str | None:
    hosts = os.environ.get("QUANTGATE_TESTS_HOSTS", "")
    if not hosts or os.environ.get("OMP_NUM_THREADS") != "1" or LAUNCH not in sys.orig_argv[:-1]:
        return None
    module = sys.orig_argv[sys.orig_argv.index(LAUNCH) + 1]
    named = (host.split("=") for host in hosts.split(";"))
    return next((address for prefix, address in named if module.startswith(prefix)), None)


def _end_as_its_fork(address: str) -> None:
    import ctypes
    import json
    import signal
    import socket

    ctypes.CDLL(None).prctl(
        1, signal.SIGKILL
    )  # as `launch` does; the host sees it and ends the fork
    progress = int(os.environ["QUANTGATE_PROGRESS_FD"])
    arguments = sys.orig_argv[sys.orig_argv.index(LAUNCH) + 1 :]
    asked = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109  # light
    message = json.dumps(asked | {"progress": progress}).encode()
    with socket.socket(socket.AF_UNIX) as host:
        host.connect(address)
        socket.send_fds(host, [len(message).to_bytes(4, "big")], [0, 1, 2, progress])
        host.sendall(message)
        os.close(progress)
        status = int(host.recv(16) or b"1")
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if (_address := _host()) is not None:
    _end_as_its_fork(_address)
