"""Real registries for tests: an MLflow server with or without logins, and a PostgreSQL cluster."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

READY_SECONDS = 180
ADMIN, PASSWORD = "admin", "a-password-of-tests"
"""Who a server with logins begins with; MLflow refuses the password that it once shipped."""


def free_port() -> int:
    """Return a port that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def served_mlflow(
    folder: Path, *, database: str | None = None, options: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None, port: int | None = None,
) -> Iterator[str]:  # fmt: skip
    """Run an MLflow server whose files (and database, unless one is named) lie in a folder."""
    port = port or free_port()
    uri = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"),
                *("--backend-store-uri", database or f"sqlite:///{folder}/served.db"),
                *("--artifacts-destination", str(folder / "artifacts")),
                *options,
            ],
            cwd=folder,
            env=os.environ
            | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
            | dict(environment or {}),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(uri, process, folder / "log")
        yield uri
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


@contextmanager
def full_disk_of(uri: str, largest_file_bytes: int) -> Iterator[None]:
    """Let a served MLflow write no file beyond a size, as where its disk is full; then let it again."""
    port = uri.rpartition(":")[2].strip("/")
    sessions = {os.getsid(pid) for pid in _processes() if _is_server(pid, port)}
    serving = [pid for pid in _processes() if os.getsid(pid) in sessions]
    assert serving
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in serving}
    for pid, (_, most) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest_file_bytes, most))
    try:
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def _processes() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def _is_server(pid: int, port: str) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:  # it ended
        return False
    return "mlflow" in words and "server" in words and port in words


@contextmanager
def guarded_mlflow(
    folder: Path, *, database: str | None = None, port: int | None = None
) -> Iterator[str]:
    """Run an MLflow server that asks for user and password; others than `ADMIN` may read."""
    ini = folder / "auth.ini"
    ini.write_text(
        "[mlflow]\ndefault_permission = READ\n"
        f"database_uri = sqlite:///{folder}/users.db\n"
        f"admin_username = {ADMIN}\nadmin_password = {PASSWORD}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    environment = {"MLFLOW_AUTH_CONFIG_PATH": str(ini), "MLFLOW_FLASK_SERVER_SECRET_KEY": "k" * 32}
    with served_mlflow(
        folder,
        database=database,
        options=("--app-name", "basic-auth"),
        environment=environment,
        port=port,
    ) as uri:
        yield uri


def _wait_until_ready(uri: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{uri}/health", timeout=2):
                return
        except HTTPError:
            return
        except (URLError, OSError):
            time.sleep(0.3)
    pytest.fail(f"the MLflow server did not start:\n{log.read_text()[-2000:]}")


class PostgresCluster:
    """A PostgreSQL server with an empty database at `uri`, which can be killed and started again."""

    def __init__(self, server: str, folder: Path, user: str | None) -> None:
        """Start it on files that `initdb` made in `folder / "data"`."""
        self._user, self._folder = user, folder
        self.port = free_port()
        self.uri = f"postgresql://mlflow@127.0.0.1:{self.port}/postgres"
        self._command = [
            *(server, "-D", str(folder / "data"), "-p", str(self.port)),
            *("-k", str(folder / "sockets"), "-h", "127.0.0.1", "-F"),
        ]
        self._process = self._started()

    def kill(self) -> None:
        """Send SIGKILL to its first process, whose others end then, and start it again."""
        self._process.kill()
        self._process.wait(timeout=30)
        self._process = self._started()

    def stop(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=30)

    def _started(self) -> "subprocess.Popen[bytes]":
        """Start it; while those of a killed one still end, it refuses to."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            process = subprocess.Popen(
                self._command,
                user=self._user,
                cwd=self._folder / "data",
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            if _answers(self.uri, process, deadline):
                return process
        pytest.fail("PostgreSQL did not start")


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a PostgreSQL cluster of its own; yield the URI of an empty database; skips as the next one."""
    with postgres_cluster() as cluster:
        yield cluster.uri


@contextmanager
def postgres_cluster() -> Iterator[PostgresCluster]:
    """Run a PostgreSQL cluster of its own.

    Skips where PostgreSQL or its driver is not installed. It refuses to run as root: there it runs as its
    own user (`postgres`, else `nobody`), who may not enter folders of tests.
    """
    pytest.importorskip("psycopg2")
    initdb, server = shutil.which("initdb"), shutil.which("postgres")
    if initdb is None or server is None:
        pytest.skip("PostgreSQL (initdb, postgres) is not installed")
    user = _user() if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="quantgate-postgresql-"))
    folder.chmod(0o755)
    for made in (folder / "data", folder / "sockets"):
        made.mkdir()
        if user is not None:
            shutil.chown(made, user)
    _run([initdb, "-D", str(folder / "data"), "-U", "mlflow", "--auth=trust", "-E", "UTF8",
          "--locale=C.UTF-8"], user)  # fmt: skip
    cluster = PostgresCluster(server, folder, user)
    try:
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> str:
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(command: list[str], user: str | None) -> None:
    subprocess.run(command, user=user, check=True, capture_output=True, cwd="/")


def _answers(uri: str, process: "subprocess.Popen[bytes]", deadline: float) -> bool:
    """Wait until a server takes connections; False where it ended instead."""
    import psycopg2

    while time.monotonic() < deadline and process.poll() is None:
        try:
            psycopg2.connect(uri).close()
            return True
        except psycopg2.OperationalError:
            time.sleep(0.2)
    return False
