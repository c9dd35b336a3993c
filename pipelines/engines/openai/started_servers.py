"""Servers that this process has started: one for all that is asked of a file.

A server takes minutes to load a large model, and the audit and each portion of a run ask it anew. Inside a
`kept` block a server that was started for a file goes on running until the block ends, and is used by whoever
asks for the same file in the same way. Workers get its address: they end with their call, it does not.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from quantgate.pipelines.domain.secrets import NAMES_VARIABLE
from quantgate.pipelines.domain.server import Server, decides_tokens
from quantgate.pipelines.engines.openai.messages import Serving
from quantgate.pipelines.engines.openai.process import (
    Launch,
    StartedServer,
    filled,
    free_port,
    started,
)
from quantgate.pipelines.process.runner import worker_environment


@dataclass(slots=True)
class _Kept:
    """What runs for a file inside its blocks; `lock` is held while it is started or ended."""

    blocks: int = 0
    serving: Serving | None = None
    running: StartedServer | None = None
    ending: ExitStack = field(default_factory=ExitStack)
    lock: threading.Lock = field(default_factory=threading.Lock)


class StartedServers:
    """Starts one server's command for files, and ends what it started."""

    def __init__(self) -> None:
        """Start with nothing running."""
        self._kept: dict[Path, _Kept] = {}
        self._lock = threading.Lock()

    @contextmanager
    def kept(self, model: Path) -> Iterator[None]:
        """Keep a server that is started for a file until the block ends; blocks may be nested."""
        with self._lock:
            kept = self._kept.setdefault(model, _Kept())
            kept.blocks += 1
        try:
            yield
        finally:
            with self._lock:
                kept.blocks -= 1
                last = kept.blocks == 0
                if last:
                    del self._kept[model]
            if last:
                with kept.lock:
                    kept.ending.close()

    @contextmanager
    def serving(self, serving: Serving) -> Iterator[StartedServer]:
        """Yield a server that was started as `serving` says: the kept one where that still runs."""
        with self._lock:
            kept = self._kept.get(serving.loadable.path)
        if kept is None:
            with started(_launch(serving)) as running:
                yield running
            return
        with kept.lock:
            asked = replace(serving, server_log=Path())  # another log is no other server
            if kept.running is None or kept.serving != asked or kept.running.died():
                kept.ending.close()
                running = kept.ending.enter_context(started(_launch(serving)))
                kept.running, kept.serving = replace(running, started_at=None), asked
            else:
                running = kept.running
        yield running


def server_environment(server: Server, outer: Mapping[str, str]) -> dict[str, str]:
    """Return what a server gets: `outer`, and of what may change tokens only what the server states."""
    plain = {name: value for name, value in outer.items() if not decides_tokens(name)}
    hidden = {NAMES_VARIABLE: server.api_key_env} if server.api_key_env else {}
    return plain | hidden | dict(server.environment)


def _launch(serving: Serving) -> Launch:
    server, port = serving.server, free_port()
    values = {
        "model": serving.loadable.path.resolve(),
        "port": port,
        "threads": serving.threads,
        "slots": server.concurrency,
        "context": serving.context_tokens,
        "total_context": serving.context_tokens * server.concurrency,
        "kv": serving.loadable.kv_cache,
    }
    return Launch(
        command=tuple(filled(server.command, values)),
        environment=server_environment(server, worker_environment(serving.threads)),
        engine=server.engine,
        url=f"http://127.0.0.1:{port}",
        log=serving.server_log,
    )
