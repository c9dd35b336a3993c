"""The checkpoint's own logits: computed once in transformers, kept by all that they depend on."""

import shutil
from importlib.metadata import version
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.values import Digest, JsonValue, digest_of
from quantgate.pipelines.domain.verdicts.base_divergence import ComputeDtype
from quantgate.pipelines.engines.divergence.base_messages import (
    CheckpointLogits,
    Passage,
    PositionDivergences,
)
from quantgate.pipelines.engines.requests import BaseDivergenceRequest
from quantgate.pipelines.engines.worker_calls import call_of
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import is_sealed
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall

_WORKER = "quantgate.pipelines.engines.transformers.workers.checkpoint_logits"


def logits_folder(
    scratch: Path,
    checkpoint: Checkpoint,
    passages: tuple[Passage, ...],
    compute_dtype: ComputeDtype,
    changes: str = "",
) -> Path:
    """Return where the logits are, or will be; `changes` as in `CheckpointLogitsCall`."""
    changed: list[JsonValue] = [changes] if changes else []
    key = digest_of(
        [checkpoint.digests.combined, to_json(passages), compute_dtype, computed_by(), *changed]
    )
    return scratch / f"checkpoint-logits-{key[:16]}"


def computed_by() -> Digest:
    """Return the digest of what computes them: packages and our own worker."""
    packages: list[JsonValue] = [[name, version(name)] for name in ("torch", "transformers")]
    return digest_of([*packages, source_digest(_WORKER)])


def compute_logits(
    request: BaseDivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
) -> None:
    """Compute the checkpoint's logits in a child process, unless they are sealed.

    Raises:
        CheckpointError, ToolchainError, WorkerError: with the log's path.
    """
    logits, threads = request.checkpoint_logits, request.threads
    if not is_sealed(logits.output):
        call = WorkerCall(module=_WORKER, request=logits, log=request.log, threads=threads)
        run_worker(call, CheckpointLogits, on_progress)


def forget_logits(request: BaseDivergenceRequest) -> None:
    """Remove logits that were computed for a single comparison."""
    shutil.rmtree(request.checkpoint_logits.output, ignore_errors=True)


def compare_with_checkpoint(
    worker: str,
    request: BaseDivergenceRequest,
    run_worker: RunWorker,
    on_progress: OnProgress,
) -> PositionDivergences:
    """Compute the checkpoint's logits unless they are sealed, then let a runtime's worker compare.

    Both are child processes, one after the other: they are never in memory together.

    Raises:
        CheckpointError, InputError, ToolchainError, WorkerError: with the log's path.
    """
    compute_logits(request, run_worker, on_progress)
    return run_worker(call_of(worker, request), PositionDivergences, on_progress).value
