"""A server that can be asked: started or reached, and known to serve the very model that was meant."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.domain.secrets import Secret
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.http.api_key import header_secret
from quantgate.pipelines.engines.http.client import Endpoint, ServerClient, nobody_died
from quantgate.pipelines.engines.openai.dialects import Dialect, Place, dialect_of
from quantgate.pipelines.engines.openai.messages import Serving
from quantgate.pipelines.engines.openai.process import filled
from quantgate.pipelines.engines.openai.replies import OTHER_SERVER
from quantgate.pipelines.engines.stop_texts import TextOf
from quantgate.pipelines.files.store import VARIANT_FILES

_SHOWN, _LONGEST_NAME = 5, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A client of a server, and what the server calls the model.

    `startup_seconds` is how long a started one took until it could be asked, None where nobody waited.
    """

    client: ServerClient
    served_name: str
    server: Server
    startup_seconds: float | None = None

    @property
    def dialect(self) -> Dialect:
        """How this server is spoken to."""
        return dialect_of(self.server.engine)

    @property
    def text_of(self) -> TextOf | None:
        """Return what asks the server for the text of token ids; None where it is known to have no way.

        Raises (when called):
            ServiceError: where it has none after all.
        """
        detokenize = self.dialect.detokenize
        if detokenize is None:
            return None

        def text_of_ids(token_ids: Sequence[int]) -> str:
            if not token_ids:
                return ""
            body = detokenize(self.served_name, token_ids)
            reply = self.client.post("/detokenize", body, "the text of token ids")
            text = reply.get(self.dialect.detokenized)
            if not isinstance(text, str):
                raise ServiceError(
                    "/detokenize gives no text",
                    where=f"server {self.server.name}",
                    next_step=OTHER_SERVER,
                )
            return text

        return text_of_ids


@contextmanager
def session(serving: Serving) -> Iterator[Session]:
    """Reach the server, wait until a started one can be asked, and check which model it has.

    Raises:
        WorkerError: where a started server ends, or does not answer in time.
        ServiceError: where it cannot be reached, refuses, or serves another model.
        InputError: where the variable that should hold the API key is not set.
    """
    server, running, key = serving.server, serving.running, api_key(serving.server)
    url = server.url or (running.url if running else "")
    client = ServerClient(
        Endpoint(
            url=url,
            timeout_seconds=server.answer_timeout_seconds,
            connections=server.concurrency,
            api_key=key,
        ),
        died=running.died if running else nobody_died,
    )
    startup_seconds = None
    try:
        if running:
            startup_seconds = running.wait_until_ready(client.ready, server.startup_timeout_seconds)
        else:
            _require_version(client, server)
        yield Session(
            client=client,
            served_name=_served(client, serving),
            server=server,
            startup_seconds=startup_seconds,
        )
    finally:
        client.close()


def api_key(server: Server) -> Secret | None:
    """Return the key from the environment, None where none is needed.

    Raises:
        InputError: where the variable is not set, or holds what no header can carry.
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
    return header_secret(key, server.api_key_env, f"server {server.name}")


def reported_version(client: ServerClient, server: Server) -> str | None:
    """Return the version that a server tells of itself, None where it tells none."""
    places = dialect_of(server.engine).version
    return _told(client, places, f"the version of {server.name}")


def _require_version(client: ServerClient, server: Server) -> None:
    """A server that was replaced since the plan was made answers under another contract."""
    reported = reported_version(client, server)
    if reported is not None and reported != server.version:
        raise ServiceError(
            f"{server.engine} was version {server.version} when this build was planned and is {reported} now",
            where=f"server {server.name}",
            next_step="run the same command again: it plans with the server as it is",
        )


def _served(client: ServerClient, serving: Serving) -> str:
    """Return what the server calls our model, after checking that it has it."""
    server, path = serving.server, serving.loadable.path.resolve()
    values = {"model": path, "folder": _folder(path).name}
    name = filled((server.model_name or "{model}",), values)[0]
    if not dialect_of(server.engine).lists_models:
        return name  # it loads what it is asked for, and its replies say what that was
    listed = listed_models(client, server)
    if server.model_name:
        served = name if name in listed else None
    else:
        served = next(
            (listing for listing, root in listed.items() if name in (listing, root)), None
        )
        if served is None and len(listed) == 1 and _reported_path(client, server) is not None:
            served = next(iter(listed))
    if served is None:
        raise _wrong_model(serving, name, f"it serves {_some(listed)}")
    if server.model_name is None or server.command:
        _require_path(client, serving, listed[served])
    return served


def _folder(path: Path) -> Path:
    """The folder that no other model shares: a variant's own, not the one in it that holds its files."""
    folder = path if path.is_dir() else path.parent
    return folder.parent if folder.name == VARIANT_FILES else folder


def listed_models(client: ServerClient, server: Server) -> dict[str, str | None]:
    """Return all models' names, each with the path it was loaded from where that is told (vLLM's `root`).

    Raises:
        ServiceError: where the server gives no such list.
    """
    reply = client.get("/v1/models", f"the models of {server.name}")
    rows = reply.get("data") if reply else None
    if not isinstance(rows, list):
        raise ServiceError(
            "GET /v1/models gives no list of models",
            where=f"server {server.name}",
            next_step=None
            if server.command
            else f"look whether {server.url}/v1 is the address of its OpenAI interface",
        )
    listed = [row for row in rows if isinstance(row, dict)]
    return {str(row.get("id")): _text(row, "root") for row in listed}


def _require_path(client: ServerClient, serving: Serving, root: str | None) -> None:
    """What the server says that it loaded has to be our file or folder; not every server says it."""
    loaded = _reported_path(client, serving.server) or root
    if loaded is None:
        return
    if not _same_place(loaded, serving.loadable.path):
        raise _wrong_model(serving, str(serving.loadable.path), f"it loaded {loaded}")


def _same_place(path: str, model: Path) -> bool:
    try:
        return Path(path).is_absolute() and Path(path).resolve() == model.resolve()
    except (OSError, ValueError):  # no path at all
        return False


def _reported_path(client: ServerClient, server: Server) -> str | None:
    places = dialect_of(server.engine).model_path
    return _told(client, places, f"the model of {server.name}")


def _told(client: ServerClient, places: Sequence[Place], what: str) -> str | None:
    """Return what the first of these paths says that the server has."""
    for path, key in places:
        reply = client.get(path, what)
        if reply is not None:
            return _text(reply, key)
    return None


def _some(names: Mapping[str, object]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(name[:_LONGEST_NAME] for name in list(names)[:_SHOWN]) + more or "nothing"


def _wrong_model(serving: Serving, name: str, instead: str) -> ServiceError:
    server = serving.server
    step = (
        "let its command load {model}, and model_name be what it then lists"
        if server.command
        else f"serve {serving.loadable.path} there, under the name that model_name gives it"
    )
    return ServiceError(
        f"does not serve {name}: {instead}", where=f"server {server.name}", next_step=step
    )


def _text(reply: JsonObject | None, key: str) -> str | None:
    value = reply.get(key) if reply else None
    return value if isinstance(value, str) and value else None
