"""Runtime: Hugging Face transformers, for full-precision and compressed-tensors folders.

Compressed weights are expanded to bfloat16 at the first forward pass and quantized activations are
computed as emulation, on every device: it measures a variant's accuracy, never its speed or memory.
"""

import importlib.util
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pipelines.domain.checkpoint import Checkpoint
from pipelines.domain.errors import CheckpointError, WorkerError
from pipelines.domain.recipe import Recipe
from pipelines.domain.run import RuntimeIdentity, Schedule
from pipelines.domain.values import Digest
from pipelines.files.hashing import source_digest
from pipelines.process.accelerator import accelerator_name
from pipelines.process.calls import OnProgress, RunWorker, WorkerCall
from pipelines.runtimes.protocol import AnswerRequest, Loadable, ProbeReport, ProbeRequest
from pipelines.runtimes.transformers_jobs import AnswerJob, AnswerTally, ProbeJob

_WORKERS = "pipelines.runtimes.workers"
_PACKAGES = ("torch", "transformers", "compressed_tensors", "tokenizers", "accelerate")
_SOURCES = (
    f"{_WORKERS}.transformers_answer",
    f"{_WORKERS}.transformers_decode",
    f"{_WORKERS}.transformers_model",
    "pipelines.runtimes.transformers_batches",
)
_DEFAULT_SLOTS = 32
_PROBE_TIMEOUT_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class TransformersRuntime:
    """Answers prompts with transformers in a child process; see `Runtime`."""

    def missing(self) -> str | None:
        """Return None when everything needed is installed, else one sentence."""
        lacking = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
        if not lacking:
            return None
        return f"the transformers runtime lacks {', '.join(lacking)}: run `make setup`"

    def identity(self, recipe: Recipe | None) -> RuntimeIdentity:
        """Return what will answer; low-bit weights are emulated, whatever the scheme."""
        # The same words for base and variant: runs of different versions are never paired.
        beside = ", ".join(f"{name} {version(name)}" for name in ("torch", "compressed-tensors"))
        return RuntimeIdentity(
            engine="transformers",
            version=f"{version('transformers')} ({beside})",
            device=accelerator_name() or "cpu",
            kv_cache="bf16",
            compute_dtype="bfloat16",
            kernels="reference" if recipe is None else "emulated",
        )

    def reference(
        self, checkpoint: Checkpoint, scratch: Path, run_worker: RunWorker, on_progress: OnProgress
    ) -> Loadable:
        """Return the checkpoint's own folder: nothing has to be converted."""
        del scratch, run_worker, on_progress
        return Loadable(path=checkpoint.folder, format=None)

    def schedule(self, threads: int) -> Schedule:
        """Return batches of 32."""
        return Schedule(slots=_DEFAULT_SLOTS, threads=threads)

    def source_digest(self) -> Digest:
        """Return the digest of the code that lays out and decodes batches."""
        return source_digest(*_SOURCES)

    def probe(
        self, request: ProbeRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> ProbeReport:
        """Load, compare token ids, decode once; a folder that crashes the loader is a report."""
        call = WorkerCall(
            module=f"{_WORKERS}.transformers_probe",
            request=ProbeJob(request=request, device=accelerator_name() or "cpu"),
            log=request.log,
            threads=request.threads,
            timeout_seconds=_PROBE_TIMEOUT_SECONDS,
        )
        try:
            return run_worker(call, ProbeReport, on_progress).value
        except (WorkerError, CheckpointError) as error:
            return _does_not_load(error.what)

    def answer(
        self, request: AnswerRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> None:
        """Answer every prompt that `request.answers` does not hold yet."""
        call = WorkerCall(
            module=f"{_WORKERS}.transformers_answer",
            request=AnswerJob(request=request, device=accelerator_name() or "cpu"),
            log=request.log,
            threads=request.schedule.threads,
        )
        run_worker(call, AnswerTally, on_progress)


def _does_not_load(detail: str) -> ProbeReport:
    return ProbeReport(
        loads=False,
        finite_logits=False,
        compared_texts=0,
        mismatched_texts=(),
        beginning_of_sequence_id=-1,
        end_of_sequence_id=-1,
        vocabulary_size=0,
        chat_template="",
        detail=detail.splitlines()[0] if detail else "it did not load",
    )
