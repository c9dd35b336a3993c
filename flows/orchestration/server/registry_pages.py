"""MLflow's pages beside a service: of the registry that builds write to, for as long as a block runs."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from quantgate.pipelines.process.launch import launched, parent_here, python_path
from quantgate.registry import Tracking
from quantgate.registry.mlflow.pages import serving_environment

NOWHERE = 0
"""The port that stands for no pages."""

PAGES = "quantgate.registry.mlflow.pages"
"""What is run as a child."""

_MOST_SHORT_LIVES = 3
_SHORT_SECONDS = 60.0
_STOP_SECONDS = 10.0
_LOOK_SECONDS = 0.25


@contextmanager
def registry_pages(
    tracking: Tracking, port: int, on_news: Callable[[str], None], module: str = PAGES
) -> Iterator[str | None]:
    """Yield the address of a registry's pages: a server's own, or those of a child that serves a database.

    The child, `module`, is started anew where it dies, and ends with this process however that ends. Where
    `port` is taken, another is; with `NOWHERE` nothing is started. Its log is `<store>/mlflow.log`. Nobody
    listens any more where it died three times in a row soon after its start.
    """
    if tracking.is_server:
        yield tracking.shown
        return
    if port == NOWHERE:
        yield None
        return
    with _listener(port) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        child = _Child(tracking, listener, on_news, module)
        with child.running():
            yield address


class _Child:
    """Starts, watches and ends MLflow's server on a socket that stays when it dies."""

    def __init__(
        self,
        tracking: Tracking,
        listener: socket.socket,
        on_news: Callable[[str], None],
        module: str,
    ) -> None:
        self._tracking, self._listener, self._on_news = tracking, listener, on_news
        self._module = module
        self._log = tracking.store.root / "mlflow.log"
        self._ended = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have it run for the time of a block."""
        watcher = threading.Thread(target=self._keep, name="mlflow-pages", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._ended.set()
            watcher.join()

    def _keep(self) -> None:
        """Run one after the other: the kernel ends a child with the thread that started it."""
        short_lives = 0
        while not self._ended.is_set():
            began = time.monotonic()
            process = self._start()
            while process.poll() is None and not self._ended.wait(_LOOK_SECONDS):
                pass
            if self._ended.is_set():
                _stop(process)
                return
            short_lives = short_lives + 1 if time.monotonic() - began < _SHORT_SECONDS else 0
            if short_lives == _MOST_SHORT_LIVES:
                self._listener.close()  # or whoever asks would wait for an answer for ever
                self._on_news(f"MLflow's pages cannot be served, the work goes on: {self._log}")
                return
            self._on_news("MLflow's server ended: starting it anew")

    def _start(self) -> "subprocess.Popen[bytes]":
        descriptor = self._listener.fileno()
        artifacts = self._tracking.artifact_root or self._tracking.store.root / "mlflow-artifacts"
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [
                    sys.executable,
                    *launched(self._module),
                    str(descriptor),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ
                | {"PYTHONPATH": python_path()}
                | serving_environment(self._tracking.uri, str(artifacts))
                | parent_here(),
                pass_fds=(descriptor,),
                start_new_session=True,  # Ctrl-C reaches this program, which ends it
            )


def _listener(port: int) -> socket.socket:
    """Listen on this port, or on another where somebody else has it."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
