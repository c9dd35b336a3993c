"""The project-local Prefect server's state on disk: who serves where, and who still needs it.

Everything stands under `<store>/prefect/`: `server.json` (where it listens), `server.log`, `home/`
(Prefect's own folder with its database), `leases/` (one locked file per client), `stay` (asked to run
until told otherwise), `start.lock` (starting and stopping exclude each other) and `keeper.lock` (held
by the one keeper). Locks are flock's, so whoever dies lets go.
"""

import fcntl
import os
import uuid
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.records import read_record

_HEALTH_SECONDS = 3.0
_RETRIES = "3"
"""Prefect waits 2, 4, 8 seconds between tries, and by itself goes on up to a minute a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRecord:
    """Where a server listens. `url` is its API's address, with `/api`; `host` the machine it runs on."""

    url: str
    host: str
    keeper_pid: int
    server_pid: int

    @property
    def port(self) -> int:
        """The port it listens on; 0 where the address names none."""
        return urlsplit(self.url).port or 0

    @property
    def pages(self) -> str:
        """Where a browser finds its pages."""
        return self.url.removesuffix("/api")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFolder:
    """Paths of one store's server, and the questions that can be asked of them."""

    root: Path

    @classmethod
    def of(cls, store_root: Path) -> "ServerFolder":
        """Return the server folder of a store."""
        return cls(root=store_root.absolute() / "prefect")

    @property
    def home(self) -> Path:
        """PREFECT_HOME of server and clients."""
        return self.root / "home"

    @property
    def record_file(self) -> Path:
        """Where the server listens."""
        return self.root / "server.json"

    @property
    def log(self) -> Path:
        """What keeper and server write."""
        return self.root / "server.log"

    @property
    def leases(self) -> Path:
        """One locked file per client."""
        return self.root / "leases"

    @property
    def stay(self) -> Path:
        """Its presence keeps the server up without clients."""
        return self.root / "stay"

    @property
    def start_lock(self) -> Path:
        """Held while a server is started, or its end decided."""
        return self.root / "start.lock"

    @property
    def keeper_lock(self) -> Path:
        """Held by the keeper for as long as it lives."""
        return self.root / "keeper.lock"

    def record(self) -> ServerRecord | None:
        """Return where the server says it listens; None where there is none, or nothing legible."""
        if not self.record_file.is_file():
            return None
        try:
            return read_record(ServerRecord, self.record_file)
        except InputError:
            return None

    def has_keeper(self) -> bool:
        """Whether a keeper is alive."""
        return is_locked(self.keeper_lock)

    def live_leases(self) -> int:
        """Count the leases that are held; files of dead clients are removed."""
        live = 0
        for lease in self.leases.glob("*.lease"):
            if is_locked(lease):
                live += 1
            else:
                lease.unlink(missing_ok=True)
        return live

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Hold a lease: the keeper keeps the server up until it ends, or this process does."""
        self.leases.mkdir(parents=True, exist_ok=True)
        while True:
            path = self.leases / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.lease"
            with path.open("w") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                if not path.exists():
                    continue  # a keeper took it for a dead client's before it was locked
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)
                return


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock on a file; a file that is not there is not locked."""
    try:
        with path.open("r") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def api_login(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the header by which Prefect's own client logs in, nothing where no variable says how."""
    if words := environment.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {b64encode(words.encode()).decode()}"}
    if key := environment.get("PREFECT_API_KEY"):
        return {"Authorization": f"Bearer {key}"}
    return {}


def health_problem(url: str) -> str | None:
    """Return None where a Prefect API answers at `url`, else what is wrong with it in a few words."""
    try:
        # Never through a proxy: a local server is local.
        opener = build_opener(ProxyHandler({})) if "//127.0.0.1" in url else build_opener()
        with opener.open(f"{url.rstrip('/')}/health", timeout=_HEALTH_SECONDS):
            return None
    except HTTPError as error:
        if error.code in (401, 403):
            return None  # it is there; the client brings the credentials
        return f"HTTP {error.code} for {url.rstrip('/')}/health"
    except (OSError, ValueError) as error:
        return str(error)


def client_environment(
    store_root: Path, url: str, environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables a process needs before it imports Prefect: this API, our home, no telemetry.

    The home is made: Prefect makes no folder above it, and warns.
    """
    home = ServerFolder.of(store_root).home
    home.mkdir(parents=True, exist_ok=True)
    exempt = [part for part in environment.get("NO_PROXY", "").split(",") if part]
    if "//127.0.0.1" in url and "127.0.0.1" not in exempt:
        exempt.append("127.0.0.1")
    proxies = {"NO_PROXY": ",".join(exempt), "no_proxy": ",".join(exempt)} if exempt else {}
    return {
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_CLIENT_MAX_RETRIES": environment.get("PREFECT_CLIENT_MAX_RETRIES", _RETRIES),
        "DO_NOT_TRACK": "true",
    } | proxies
