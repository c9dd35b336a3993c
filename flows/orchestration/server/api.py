"""The Prefect API that flows talk to: one the user named, else a server of this store's own.

The own server starts on first use, is shared by every client of the store, and ends by itself soon
after the last one, unless `up` asked it to stay. Nothing of it depends on a client's orderly end.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from quantgate.flows.build.repeating.reads import beside_the_plan
from quantgate.flows.orchestration.server.state import ServerFolder, ServerRecord, health_problem
from quantgate.pipelines.domain.errors import QuantgateError, ServiceError
from quantgate.pipelines.files.disk.full import full_disk
from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.process.launch import python_path

OnNews = Callable[[str], None]

READY_SECONDS = 180.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.2
_WATCH_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """How things stand with a store's server. `clients` hold leases; `stays` says that `up` was asked for.

    `url` is its API's address and `pages` what a browser opens; both are None where no server answers.
    """

    url: str | None
    pages: str | None
    clients: int
    stays: bool
    log: Path


def say_nothing(_: str) -> None:
    """Drop news."""


@contextmanager
def prefect_api(
    store_root: Path, *, api_url: str | None = None, on_news: OnNews = say_nothing
) -> Iterator[str]:
    """Yield the URL of a healthy Prefect API and keep it alive meanwhile.

    `api_url`, else PREFECT_API_URL, names a server that somebody else runs; without either the store's
    own server is used and started where needed (`on_news` says so).

    Raises:
        ServiceError: the named server does not answer, or the own one does not start within 180 s.
    """
    named = api_url or os.environ.get("PREFECT_API_URL")
    if named:
        require_healthy(named)
        yield named
        return
    with project_prefect_api(store_root, on_news=on_news) as url:
        yield url


@contextmanager
def project_prefect_api(store_root: Path, *, on_news: OnNews = say_nothing) -> Iterator[str]:
    """Yield the URL of the store's own server, whatever server is named; started anew where it is killed.

    Raises:
        ServiceError: it does not start within 180 s.
        ToolchainError: it does not start, and the store's disk is full.
    """
    folder = ServerFolder.of(store_root)
    with folder.lease():
        url = _ensure_server(folder, on_news)
        with _kept_alive(folder, on_news):
            yield url


@contextmanager
def server_ahead(
    store_root: Path, *, api_url: str | None = None, on_news: OnNews = say_nothing
) -> Iterator[Callable[[], None]]:
    """Yield what starts the store's own server beside planning; it is kept until the block ends.

    None is started where another server is named. Whoever needs one that does not start is told by
    `prefect_api`.
    """
    folder, named = ServerFolder.of(store_root), api_url or os.environ.get("PREFECT_API_URL")

    def start() -> None:
        with suppress(QuantgateError, OSError), beside_the_plan():
            _ensure_server(folder, on_news)

    with ExitStack() as leases:

        def start_beside() -> None:
            if not named:
                leases.enter_context(folder.lease())
                threading.Thread(target=start, name="prefect-server-start", daemon=True).start()

        yield start_beside


@contextmanager
def _kept_alive(folder: ServerFolder, on_news: OnNews) -> Iterator[None]:
    """Start a keeper anew where it is killed meanwhile; it does so itself for a server that dies."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_WATCH_SECONDS):
            if folder.has_keeper():
                continue
            on_news("Prefect's server was killed: starting it anew")
            try:
                _ensure_server(folder, say_nothing)
            except (QuantgateError, OSError) as error:
                on_news(
                    f"Prefect's server cannot be started again, the work goes on without: {error}"
                )
                return

    watcher = threading.Thread(target=watch, name="prefect-server-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()


def up(store_root: Path, on_news: OnNews = say_nothing) -> ServerStatus:
    """Start the store's server, or take the running one, and have it stay until `down`.

    Raises:
        ServiceError: it does not start.
    """
    folder = ServerFolder.of(store_root)
    with folder.lease():
        folder.stay.touch()
        try:
            _ensure_server(folder, on_news)
        except BaseException:
            folder.stay.unlink(missing_ok=True)
            raise
    return status(store_root)


def down(store_root: Path, on_news: OnNews = say_nothing) -> ServerStatus:
    """Let the store's server end: at once where no client holds it, else with its last client.

    Raises:
        ServiceError: it did not end.
    """
    folder = ServerFolder.of(store_root)
    folder.stay.unlink(missing_ok=True)
    deadline = time.monotonic() + _STOP_SECONDS
    with exclusive(folder.start_lock):
        record = folder.record()
        if record and folder.has_keeper() and not folder.live_leases():
            on_news("stopping the Prefect server")
            os.kill(record.keeper_pid, signal.SIGTERM)
    while folder.has_keeper() and not folder.live_leases():
        if time.monotonic() > deadline:
            raise ServiceError(
                "the Prefect server did not end",
                where=str(folder.log),
                next_step="`quantgate down` tries again",
            )
        time.sleep(_POLL_SECONDS)
    return status(store_root)


def status(store_root: Path) -> ServerStatus:
    """Return how things stand; starts nothing."""
    folder = ServerFolder.of(store_root)
    record = folder.record()
    healthy = record is not None and folder.has_keeper() and health_problem(record.url) is None
    return ServerStatus(
        url=record.url if record and healthy else None,
        pages=record.pages if record and healthy else None,
        clients=folder.live_leases(),
        stays=folder.stay.exists(),
        log=folder.log,
    )


def require_healthy(url: str) -> None:
    """See that a server answers.

    Raises:
        ServiceError: it does not.
    """
    problem = health_problem(url)
    if problem:
        raise ServiceError(
            f"the Prefect API does not answer ({problem})",
            where=url,
            next_step="start that server, correct PREFECT_API_URL (it ends in /api), or unset it "
            "to use the project's own",
            transient=True,
        )


def _ensure_server(folder: ServerFolder, on_news: OnNews) -> str:
    """Return the healthy own server's URL; the caller holds a lease, so it will not end meanwhile."""
    started = time.monotonic()
    waiting = spawned = False

    def on_wait() -> None:
        on_news("waiting for the Prefect server, which is starting")

    with exclusive(folder.start_lock, on_wait):
        while time.monotonic() - started < READY_SECONDS:
            record = folder.record()
            has_keeper = folder.has_keeper()
            if record and has_keeper and _answers(record, folder):
                if waiting:
                    on_news(f"Prefect server ready after {time.monotonic() - started:.0f} s")
                return record.url
            if not waiting:
                on_news("starting the project's Prefect server (the first time takes longest)")
                waiting = True
            if not has_keeper and spawned:
                raise _not_started("ended at once", folder)
            if not has_keeper:
                _start_keeper(folder)
                spawned = True
            time.sleep(_POLL_SECONDS)
    raise _not_started(f"was not ready within {READY_SECONDS:.0f} s", folder)


def _answers(record: ServerRecord, folder: ServerFolder) -> bool:
    if record.host != socket.gethostname():
        raise ServiceError(
            f"this store's Prefect server runs on another machine, {record.host}",
            where=str(folder.record_file),
            next_step="set PREFECT_API_URL to a server that both machines reach",
        )
    return health_problem(record.url) is None


def _start_keeper(folder: ServerFolder) -> None:
    """Start a keeper; when this returns it is detached and holds its lock, or it has failed.

    A record without a keeper is of one that was killed: its clients go on asking the same address.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    left = folder.record()
    port = left.port if left and left.host == socket.gethostname() else 0
    folder.record_file.unlink(missing_ok=True)
    with folder.log.open("wb") as log:
        subprocess.run(
            [
                sys.executable,
                "-m",
                "quantgate.flows.orchestration.server.keeper",
                str(folder.root),
                str(port),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder.root,
            env=os.environ | {"PYTHONPATH": python_path()},
            start_new_session=True,
            check=False,  # its lock tells whether it lives, its log why not
        )


def _not_started(problem: str, folder: ServerFolder) -> QuantgateError:
    error = ServiceError(
        f"the project's Prefect server {problem}",
        where=str(folder.log),
        next_step="read that log, or set PREFECT_API_URL to a server that runs",
        transient=True,
    )
    return full_disk(error, folder.root) or error
