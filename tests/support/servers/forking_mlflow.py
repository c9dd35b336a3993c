"""MLflow's server, which can be killed and is there again at once: it is imported once and forked.

`python -m tests.support.servers.forking_mlflow PORT URI ARTIFACTS` serves a database at a port, and writes
the number of the serving process to standard output, a line each time that it starts one.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantgate.pipelines.process.launch import die_with_parent
from quantgate.registry.mlflow.pages import serving_environment
from tests.support.project import PROJECT


class KillableMlflow:
    """The process that serves, by what its parent says."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Wait until it serves."""
        self._process = process
        self._pid = self._next()

    def kill(self) -> None:
        """Send SIGKILL to the one that serves, and wait for the next one."""
        os.kill(self._pid, signal.SIGKILL)
        self._pid = self._next()

    def _next(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@contextmanager
def killable_mlflow(folder: Path, port: int, uri: str) -> Iterator[KillableMlflow]:
    """Serve a database for the time of a block; artifacts lie in a folder."""
    with (
        (folder / "mlflow-server.log").open("wb") as log,
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.support.servers.forking_mlflow"),
                *(str(port), uri, str(folder / "artifacts")),
            ],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            yield KillableMlflow(process)
        finally:
            process.terminate()


def main(port: str, uri: str, artifacts: str) -> None:
    """Serve, and serve again."""
    os.environ.update(serving_environment(uri, artifacts))
    import mlflow.server.fastapi_app as served
    import uvicorn

    parent = os.getpid()
    listener = socket.create_server(("127.0.0.1", int(port)))
    while True:
        child = os.fork()
        if child == 0:
            die_with_parent(parent)
            uvicorn.Server(uvicorn.Config(served.app, log_level="warning")).run(sockets=[listener])
            os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
