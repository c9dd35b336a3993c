"""How a request goes to a worker: as it is, with its own log and threads."""

from pathlib import Path
from typing import Protocol

from quantgate.pipelines.process.calls import WorkerCall


class WorkerRequest(Protocol):
    """What every request to a worker says beside what it asks for."""

    @property
    def log(self) -> Path:
        """Where the worker's output goes."""
        ...

    @property
    def threads(self) -> int:
        """How many threads the worker may use."""
        ...


def call_of(worker: str, request: WorkerRequest) -> WorkerCall:
    """Return the call that hands a request to a worker module."""
    return WorkerCall(module=worker, request=request, log=request.log, threads=request.threads)
