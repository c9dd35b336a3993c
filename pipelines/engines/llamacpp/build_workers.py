"""The llama.cpp workers of one build, run one after the other; what they cost is added up."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall

WORKERS = "quantgate.pipelines.engines.llamacpp.workers.building"

Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCost:
    """What the child processes of one build cost together."""

    seconds: float
    peak_memory_bytes: int


class BuildWorkers:
    """Runs the workers of one build and adds up what they cost."""

    def __init__(self, *, run_worker: RunWorker, on_progress: OnProgress, log: Path) -> None:
        """Begin without cost; all workers write to one log."""
        self._run_worker, self._on_progress, self._log = run_worker, on_progress, log
        self.cost = BuildCost(seconds=0.0, peak_memory_bytes=0)

    def run(self, module: str, call: object, reply_type: type[Facts], *, threads: int) -> Facts:
        """Run one worker and return its facts."""
        worker = WorkerCall(
            module=f"{WORKERS}.{module}", request=call, log=self._log, threads=threads
        )
        reply = self._run_worker(worker, reply_type, self._on_progress)
        self.cost = BuildCost(
            seconds=self.cost.seconds + reply.seconds,
            peak_memory_bytes=max(self.cost.peak_memory_bytes, reply.peak_memory_bytes),
        )
        return reply.value
