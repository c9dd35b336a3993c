"""Runtime: Hugging Face transformers, for full-precision, compressed-tensors, AWQ and GPTQ folders.

Low-bit weights are expanded to bfloat16 and quantized activations are computed as emulation, on every
device: it measures a variant's accuracy, never its speed or memory.
"""

import importlib.util
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from typing_extensions import override

from quantgate.pipelines.domain.architectures import TRANSFORMERS
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError, ChildCrashError
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions, Numerics, Recipe
from quantgate.pipelines.domain.run import Kernels, RuntimeIdentity, Schedule
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.engines.binding.identity import answering_digest
from quantgate.pipelines.engines.checkpoint_logits import compare_with_checkpoint
from quantgate.pipelines.engines.contents import Contents, folder_contents
from quantgate.pipelines.engines.divergence.base_messages import PositionDivergences
from quantgate.pipelines.engines.native import confirmed_probe, logits_digest
from quantgate.pipelines.engines.requests import (
    AnswerRequest,
    AnswerTally,
    BaseDivergenceRequest,
    DivergenceRequest,
    Loadable,
    ProbeReport,
    ProbeRequest,
)
from quantgate.pipelines.engines.runtime import Runtime
from quantgate.pipelines.engines.worker_calls import call_of
from quantgate.pipelines.process.accelerator import accelerator_name
from quantgate.pipelines.process.calls import OnProgress, RunWorker

_WORKERS = "quantgate.pipelines.engines.transformers.workers"
_PACKAGES = ("torch", "transformers", "compressed_tensors", "tokenizers", "accelerate")
_DEFAULT_SLOTS = 32


@dataclass(frozen=True, slots=True)
class TransformersRuntime(Runtime):
    """Answers prompts with transformers in a child process."""

    @override
    def missing(self) -> str | None:
        lacking = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
        if not lacking:
            return None
        return f"the transformers runtime lacks {', '.join(lacking)}: run `make setup`"

    @override
    def constrains(self) -> bool:
        """Say that JSON schemas bind answers, by grammars."""
        return True

    @override
    def identity(self, subject: Recipe | Numerics | None) -> RuntimeIdentity:
        """Return what will answer; a natively low-bit base is computed as a variant of its numerics is."""
        numerics = subject.numerics if isinstance(subject, Recipe) else subject
        # The same words for base and variant: runs of different versions are never paired.
        beside = ", ".join(f"{name} {version(name)}" for name in ("torch", "compressed-tensors"))
        return RuntimeIdentity(
            engine="transformers",
            version=f"{version('transformers')} ({beside})",
            device=accelerator_name() or "cpu",
            kv_cache=_kv_cache(subject),
            compute_dtype="bfloat16",
            kernels=_kernels(numerics),
        )

    @override
    def reference(
        self, checkpoint: Checkpoint, scratch: Path, run_worker: RunWorker, on_progress: OnProgress
    ) -> Loadable:
        """Return the checkpoint's own folder: nothing has to be converted."""
        del scratch, run_worker, on_progress
        stored = checkpoint.quantization
        return Loadable(path=checkpoint.folder, format=stored.format if stored else None)

    @override
    def refusal(self, checkpoint: Checkpoint) -> str | None:
        return checkpoint.refused_by(TRANSFORMERS)

    @override
    def schedule(self, threads: int) -> Schedule:
        """Return batches of 32."""
        return Schedule(slots=_DEFAULT_SLOTS, threads=threads)

    @override
    def source_digest(self) -> Digest:
        return answering_digest(f"{_WORKERS}.answer")

    @override
    def probe(
        self, request: ProbeRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> ProbeReport:
        """Load, compare token ids, decode once; a folder that crashes the loader twice is a report."""
        try:
            return confirmed_probe(f"{_WORKERS}.probe", request, run_worker, on_progress)
        except (ChildCrashError, CheckpointError) as error:
            return ProbeReport.unloaded(error.what)

    @override
    def server_access(self) -> None:
        return None

    @override
    def contents(self, loadable: Loadable) -> Contents:
        return folder_contents(loadable.path)

    @override
    def divergence_digest(self, numerics: Numerics | None) -> Digest:
        return logits_digest(
            self.identity(numerics), f"{_WORKERS}.answer", f"{_WORKERS}.divergence"
        )

    @override
    def divergence(
        self, request: DivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> Divergence:
        """Hold a folder against the base's."""
        call = call_of(f"{_WORKERS}.divergence", request)
        return run_worker(call, Divergence, on_progress).value

    @override
    def base_divergence(
        self, request: BaseDivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> PositionDivergences | None:
        """Hold what this runtime computes when it answers against the checkpoint computed plainly."""
        worker = f"{_WORKERS}.base_divergence"
        return compare_with_checkpoint(worker, request, run_worker, on_progress)

    @override
    def answer(
        self, request: AnswerRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> None:
        run_worker(call_of(f"{_WORKERS}.answer", request), AnswerTally, on_progress)


def _kernels(numerics: Numerics | None) -> Kernels:
    if numerics is None:
        return "reference"
    only_weights = (numerics.activations, numerics.kv_cache) == ("A16", "KV16")
    return "weight-only" if only_weights else "emulated"


def _kv_cache(subject: Recipe | Numerics | None) -> str:
    """Where scales are stored for it, keys and values are rounded to E4M3 as they enter the cache.

    They are held in bfloat16 then; those are the very numbers that an FP8 cache would give back.
    """
    if isinstance(subject, Recipe):
        options = subject.options
        stored = isinstance(options, CompressedTensorsOptions) and options.kv_cache == "fp8"
        return "fp8" if stored else "bf16"
    kept = subject.kv_cache if subject else "KV16"
    return {"KV16": "bf16", "KV8f": "fp8"}.get(kept, kept)
