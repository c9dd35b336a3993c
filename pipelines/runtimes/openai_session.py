"""A server that can be asked: started or reached, and known to serve the very model that was meant."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.domain.errors import InputError, ServiceError
from pipelines.domain.server import Server
from pipelines.domain.values import JsonObject
from pipelines.runtimes.openai_client import Endpoint, ServerClient
from pipelines.runtimes.openai_dialects import Dialect, dialect_of
from pipelines.runtimes.openai_messages import Serving
from pipelines.runtimes.openai_process import filled, free_port, started


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A client of a server, and what the server calls the model."""

    client: ServerClient
    served_name: str
    server: Server

    @property
    def dialect(self) -> Dialect:
        """How this server is spoken to."""
        return dialect_of(self.server.engine)


@contextmanager
def session(serving: Serving, context_tokens: int) -> Iterator[Session]:
    """Start or reach the server, and check which model it has; `context_tokens` is the longest sequence.

    Raises:
        WorkerError: where a started server ends, or does not answer in time.
        ServiceError: where it cannot be reached, refuses, or serves another model.
        InputError: where the variable that should hold the API key is not set.
    """
    server, key = serving.server, api_key(serving.server)
    if server.url:
        client = _client(server, server.url, serving.slots, key)
        try:
            _require_version(client, server)
            yield Session(client=client, served_name=_served(client, serving), server=server)
        finally:
            client.close()
        return
    port = free_port()
    values = {
        "model": serving.model.resolve(),
        "port": port,
        "threads": serving.threads,
        "slots": serving.slots,
        "context": context_tokens,
        "total_context": context_tokens * serving.slots,
        "kv": serving.kv_cache,
    }
    with started(filled(server.command, values), server.engine, serving.server_log) as process:
        endpoint = _endpoint(server, f"http://127.0.0.1:{port}", serving.slots, key)
        client = ServerClient(endpoint, died=process.died)
        try:
            process.wait_until_ready(client.ready, server.startup_timeout_seconds)
            yield Session(client=client, served_name=_served(client, serving), server=server)
        finally:
            client.close()


def api_key(server: Server) -> str | None:
    """Return the key from the environment, None where none is needed.

    Raises:
        InputError: where the variable is not set.
    """
    if server.api_key_env is None:
        return None
    key = os.environ.get(server.api_key_env)
    if not key:
        raise InputError(
            f"the environment variable {server.api_key_env} is not set",
            where=f"server {server.name}",
            next_step="set it to the server's API key",
        )
    return key


def reported_version(client: ServerClient, server: Server) -> str | None:
    """Return the version that a server tells of itself, None where it tells none."""
    place = dialect_of(server.engine).version
    if place is None:
        return None
    return _text(client.get(place[0], f"the version of {server.name}"), place[1])


def _client(server: Server, url: str, slots: int, key: str | None) -> ServerClient:
    return ServerClient(_endpoint(server, url, slots, key))


def _endpoint(server: Server, url: str, slots: int, key: str | None) -> Endpoint:
    return Endpoint(
        url=url, timeout_seconds=server.answer_timeout_seconds, connections=slots, api_key=key
    )


def _require_version(client: ServerClient, server: Server) -> None:
    """A server that was replaced since the plan was made answers under another contract."""
    found = reported_version(client, server)
    if found is not None and found != server.version:
        raise ServiceError(
            f"{server.engine} was version {server.version} when this build was planned and is {found} now",
            where=f"server {server.name}",
            next_step="run the same command again: it plans with the server as it is",
        )


def _served(client: ServerClient, serving: Serving) -> str:
    """Return what the server calls our model, after checking that it has it."""
    server, path = serving.server, serving.model.resolve()
    listed = _models(client, server)
    folder = path if path.is_dir() else path.parent
    if server.model_name:
        name = filled((server.model_name,), {"model": path, "folder": folder.name})[0]
        found = name if name in listed else None
    else:
        name = str(path)
        found = next((one for one, root in listed.items() if name in (one, root)), None)
        if found is None and len(listed) == 1 and _reported_path(client, server) is not None:
            found = next(iter(listed))
    if found is None:
        raise _wrong_model(serving, name, f"it serves {', '.join(listed) or 'nothing'}")
    if server.model_name is None or server.command:
        _require_path(client, serving, listed[found])
    return found


def _models(client: ServerClient, server: Server) -> dict[str, str | None]:
    """Names of all models, each with the path it was loaded from where the list tells it (vLLM's `root`)."""
    reply = client.get("/v1/models", f"the models of {server.name}")
    rows = reply.get("data") if reply else None
    if not isinstance(rows, list):
        raise ServiceError("GET /v1/models gives no list of models", where=f"server {server.name}")
    listed = [row for row in rows if isinstance(row, dict)]
    return {str(row.get("id")): _text(row, "root") for row in listed}


def _require_path(client: ServerClient, serving: Serving, root: str | None) -> None:
    """What the server says that it loaded has to be our file or folder; not every server says it."""
    told = _reported_path(client, serving.server) or root
    if told is None:
        return
    loaded = Path(told)
    same = loaded.resolve() == serving.model.resolve() if loaded.is_absolute() else False
    if not same:
        raise _wrong_model(serving, str(serving.model), f"it loaded {told}")


def _reported_path(client: ServerClient, server: Server) -> str | None:
    place = dialect_of(server.engine).model_path
    if place is None:
        return None
    return _text(client.get(place[0], f"the model of {server.name}"), place[1])


def _wrong_model(serving: Serving, name: str, instead: str) -> ServiceError:
    server = serving.server
    step = (
        "let its command load {model}, and model_name be what it then lists"
        if server.command
        else "serve this file there, under the name that model_name gives it"
    )
    return ServiceError(
        f"does not serve {name}: {instead}", where=f"server {server.name}", next_step=step
    )


def _text(reply: JsonObject | None, key: str) -> str | None:
    value = reply.get(key) if reply else None
    return value if isinstance(value, str) and value else None
