"""The seam to child processes: heavy and foreign code is called through a `RunWorker`, never imported."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from quantgate.pipelines.domain.errors import WorkerError

Reply = TypeVar("Reply")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a worker is; `total` 0 means unknown. `tokens` are those that it has generated so far."""

    done: int
    total: int
    what: str
    tokens: int = 0


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCall:
    """One call of a worker module. `request` is a dataclass the worker parses; `log` takes all its output.

    `threads` sets OMP_NUM_THREADS and MKL_NUM_THREADS for the child. `python` is the interpreter that runs
    it, None for the parent's own. `waits_seconds` is for how long it may rightly wait for somebody else, such
    as a server, neither computing nor telling progress.
    """

    module: str
    request: object
    log: Path
    threads: int
    timeout_seconds: float = 6 * 3600.0
    waits_seconds: float = 0.0
    python: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReply(Generic[Reply]):
    """What came back, with what it cost."""

    value: Reply
    seconds: float
    peak_memory_bytes: int


class RunWorker(Protocol):
    """Runs a worker to its end."""

    def __call__(
        self, call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
    ) -> WorkerReply[Reply]:
        """Run the worker and return its reply.

        Raises:
            QuantgateError: the very error the worker raised, with the log's path added.
            WorkerError: where it crashed, was killed, hung, timed out or left no reply.
        """
        ...


class NothingStartsError(WorkerError):
    """A child process would have to be started where nothing may be: what it makes is missing."""


def start_nothing(
    call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
) -> WorkerReply[Reply]:
    """Be a `RunWorker` of those who only read.

    Raises:
        NothingStartsError: always.
    """
    del reply_type, on_progress
    raise NothingStartsError("is not made yet", where=call.module)


def ignore_progress(_: Progress) -> None:
    """Drop progress reports."""
