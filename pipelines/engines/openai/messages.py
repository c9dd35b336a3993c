"""What the server runtime and its workers say to each other."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.engines.http.patience import Patience
from quantgate.pipelines.engines.openai.process import StartedServer
from quantgate.pipelines.engines.requests import (
    AnswerRequest,
    BaseDivergenceRequest,
    Loadable,
    ProbeRequest,
)
from quantgate.pipelines.engines.timing.meter import SpeedRequest
from quantgate.pipelines.engines.worker_calls import call_of
from quantgate.pipelines.process.calls import WorkerCall

Request = TypeVar("Request", AnswerRequest, BaseDivergenceRequest, ProbeRequest, SpeedRequest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What is to be served by a server, or found there.

    `context_tokens` is the longest prompt with its answer. `server_log` takes a started one's output, and
    `running` is where it is.
    """

    server: Server
    loadable: Loadable
    threads: int
    context_tokens: int
    server_log: Path
    running: StartedServer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Served(Generic[Request]):
    """A request, and the server that is to be asked."""

    serving: Serving
    request: Request

    @property
    def log(self) -> Path:
        """Where the worker's output goes."""
        return self.request.log

    @property
    def threads(self) -> int:
        """How many threads the worker may use."""
        return self.request.threads

    def call(self, worker: str) -> WorkerCall:
        """Return the call that hands it to a worker, which may wait as long as the server may take."""
        server = self.serving.server
        answering = Patience().longest_seconds(server.answer_timeout_seconds)
        waits = max(answering, 2 * server.startup_timeout_seconds)
        return replace(call_of(worker, self), waits_seconds=waits)
