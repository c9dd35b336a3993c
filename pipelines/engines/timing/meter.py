"""The seam to engines that can be timed: a runtime whose speed is that of a server has a meter."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from quantgate.pipelines.domain.speed import SpeedSample
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.process.calls import OnProgress, RunWorker


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedRequest:
    """One model to be timed: a prompt, and how many tokens are generated after it, whatever they are."""

    loadable: Loadable
    prompt: tuple[int, ...]
    generated_tokens: int
    threads: int
    log: Path


class SpeedMeter(Protocol):
    """Times a model in a process of its own, with the very engine that answers."""

    def source_digest(self) -> Digest:
        """Return the digest of the code that measures, and of what it is told beside requests."""
        ...

    def sample(
        self, request: SpeedRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> SpeedSample:
        """Load the model, answer once to warm up, then measure.

        Raises:
            CheckpointError: where it does not load.
            ToolchainError, ServiceError, WorkerError: with the log's path.
        """
        ...
