"""Runtime: Hugging Face transformers, for full-precision, compressed-tensors, AWQ and GPTQ folders.

Low-bit weights are expanded to bfloat16 and quantized activations are computed as emulation, on every
device: it measures a variant's accuracy, never its speed or memory.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from quantgate.pipelines.domain.architectures import TRANSFORMERS
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError, ChildCrashError
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions, Numerics, Recipe
from quantgate.pipelines.domain.run import Kernels, RuntimeIdentity
from quantgate.pipelines.engines.contents import Contents, folder_contents
from quantgate.pipelines.engines.native import NativeRuntime
from quantgate.pipelines.engines.requests import (
    Loadable,
    ProbeReport,
    ProbeRequest,
)
from quantgate.pipelines.process.calls import OnProgress, RunWorker
from quantgate.pipelines.process.devices.engines import torch_device, torch_lacks
from quantgate.pipelines.process.versions import installed_version

_PACKAGES = ("torch", "transformers", "compressed_tensors", "tokenizers", "accelerate")


@dataclass(frozen=True, slots=True)
class TransformersRuntime(NativeRuntime):
    """Answers prompts with transformers in a child process."""

    workers: ClassVar[str] = "quantgate.pipelines.engines.transformers.workers"

    @override
    def missing(self) -> str | None:
        lacking = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
        if not lacking:
            return torch_lacks()
        return f"the transformers runtime lacks {', '.join(lacking)}: run `make setup`"

    @override
    def identity(self, subject: Recipe | Numerics | None) -> RuntimeIdentity:
        """Return what will answer; a natively low-bit base is computed as a variant of its numerics is."""
        numerics = subject.numerics if isinstance(subject, Recipe) else subject
        # The same words for base and variant: runs of different versions are never paired.
        beside = ", ".join(
            f"{name} {installed_version(name)}" for name in ("torch", "compressed-tensors")
        )
        return RuntimeIdentity(
            engine="transformers",
            version=f"{installed_version('transformers')} ({beside})",
            device=torch_device(),
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
    def probe(
        self, request: ProbeRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> ProbeReport:
        """Load, compare token ids, decode once; a folder that crashes the loader twice is a report."""
        try:
            return self.confirmed_probe(request, run_worker, on_progress)
        except (ChildCrashError, CheckpointError) as error:
            return ProbeReport.unloaded(error.what)

    @override
    def contents(self, loadable: Loadable) -> Contents:
        return folder_contents(loadable.path)


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
