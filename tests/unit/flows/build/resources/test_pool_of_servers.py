"""Servers of several variants: as many are up at once as memory holds, each at a port of its own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from quantgate.flows.build.resources.machine import Memory
from quantgate.pipelines.engines.http.client import Endpoint, ServerClient
from quantgate.pipelines.engines.openai.messages import Serving
from quantgate.pipelines.engines.openai.started_servers import StartedServers
from tests.support.servers.served import COMMAND, Site

STARTUP_SECONDS = 60.0
NEED = 60


@dataclass
class Pool:
    """Who serves a variant holds the memory that its server takes; `together` is how many were up at most."""

    memory: Memory
    servers: StartedServers = field(default_factory=StartedServers)
    lock: threading.Lock = field(default_factory=threading.Lock)
    urls: list[str] = field(default_factory=list)
    up: int = 0
    together: int = 0
    met: threading.Event = field(default_factory=threading.Event)

    def serve(self, serving: Serving, seconds: float) -> None:
        """Serve until another server is up too, or for so long."""
        with self.memory.hold(NEED), self.servers.serving(serving) as running:
            client = ServerClient(Endpoint(url=running.url, timeout_seconds=10, connections=1))
            running.wait_until_ready(client.ready, STARTUP_SECONDS)
            client.close()
            with self.lock:
                self.up += 1
                self.urls.append(running.url)
                self.together = max(self.together, self.up)
                if self.up == 2:
                    self.met.set()
            self.met.wait(seconds)
            with self.lock:
                self.up -= 1


@pytest.mark.parametrize(
    ("available", "together", "seconds"), [(2 * NEED, 2, STARTUP_SECONDS), (2 * NEED - 1, 1, 0.3)]
)
def test_two_workers_have_two_servers_where_memory_holds_both_and_else_one_after_the_other(
    tmp_path: Path, available: int, together: int, seconds: float
) -> None:
    pool = Pool(Memory(lambda: available, side_by_side=2))
    servings = []
    for name in ("Q8_0", "Q6_K"):
        (tmp_path / name).mkdir()
        site = Site(tmp_path / name)
        servings.append(site.serving(replace(site.server(command=COMMAND), version="1")))
    with ThreadPoolExecutor(2) as workers:
        for done in [workers.submit(pool.serve, serving, seconds) for serving in servings]:
            done.result()
    assert pool.together == together
    assert len(set(pool.urls)) == 2
