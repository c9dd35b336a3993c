"""Divergence of plain round-to-nearest from a base, measured by our own emulation in transformers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.domain.verdicts.ruler import Ruler
from quantgate.pipelines.engines.residence import Residence
from quantgate.pipelines.engines.worker_calls import call_of
from quantgate.pipelines.process.calls import OnProgress, RunWorker

_WORKER = "quantgate.pipelines.engines.transformers.workers.rulers"


@dataclass(frozen=True, slots=True, kw_only=True)
class RulersRequest:
    """Rulers to measure on a checkpoint folder; see `DivergenceRequest` for sequences, tokens and logits."""

    base: Path
    rulers: tuple[Ruler, ...]
    sequences: Path
    max_tokens: int
    threads: int
    log: Path
    base_logits: Path | None = None
    residence: Residence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RulerDivergences:
    """Each ruler's divergence from the base, in their order."""

    values: tuple[Divergence, ...]


class MeasureRulers(Protocol):
    """Measures rulers."""

    def __call__(
        self, request: RulersRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> tuple[Divergence, ...]:
        """Return each ruler's divergence from the base, in their order.

        Raises:
            CheckpointError, InputError, ToolchainError, WorkerError: with the log's path.
        """
        ...


def measure_rulers(
    request: RulersRequest, run_worker: RunWorker, on_progress: OnProgress
) -> tuple[Divergence, ...]:
    """Measure rulers in a child process; see `MeasureRulers`."""
    return run_worker(call_of(_WORKER, request), RulerDivergences, on_progress).value.values
