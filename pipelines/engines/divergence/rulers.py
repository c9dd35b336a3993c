"""Divergence of plain round-to-nearest from a base, measured by our own emulation in transformers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.domain.verdicts.ruler import Ruler
from quantgate.pipelines.engines.divergence.messages import Divergences
from quantgate.pipelines.process.accelerator import accelerator_name
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall

_WORKER = "quantgate.pipelines.engines.transformers.workers.rulers"


@dataclass(frozen=True, slots=True, kw_only=True)
class RulersCall:
    """Rulers to measure on a checkpoint folder; see `DivergenceCall` for sequences, tokens and logits."""

    base: Path
    rulers: tuple[Ruler, ...]
    sequences: Path
    max_tokens: int
    threads: int
    log: Path
    base_logits: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RulersJob:
    """Rulers to measure on a device."""

    call: RulersCall
    device: str


class MeasureRulers(Protocol):
    """Measures rulers."""

    def __call__(
        self, call: RulersCall, run_worker: RunWorker, on_progress: OnProgress
    ) -> tuple[Divergence, ...]:
        """Return each ruler's divergence from the base, in their order.

        Raises:
            CheckpointError, InputError, ToolchainError, WorkerError: with the log's path.
        """
        ...


def measure_rulers(
    call: RulersCall, run_worker: RunWorker, on_progress: OnProgress
) -> tuple[Divergence, ...]:
    """Measure rulers in a child process; see `MeasureRulers`."""
    worker = WorkerCall(
        module=_WORKER,
        request=RulersJob(call=call, device=accelerator_name() or "cpu"),
        log=call.log,
        threads=call.threads,
    )
    return run_worker(worker, Divergences, on_progress).value.values
