"""Runtime: llama.cpp through llama-cpp-python's low-level API, for GGUF files."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from quantgate.pipelines.domain.architectures import LLAMA_CPP
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError, ChildAbortError
from quantgate.pipelines.domain.recipe import Format, Numerics, Recipe
from quantgate.pipelines.domain.run import RuntimeIdentity, Schedule
from quantgate.pipelines.engines.contents import Contents, gguf_contents
from quantgate.pipelines.engines.llamacpp.layout import room_of
from quantgate.pipelines.engines.llamacpp.sharing import share_out, sharing
from quantgate.pipelines.engines.native import NativeRuntime
from quantgate.pipelines.engines.prompt_lengths import HeldAtOnce, PromptSet
from quantgate.pipelines.engines.requests import (
    Loadable,
    ProbeReport,
    ProbeRequest,
)
from quantgate.pipelines.process.calls import OnProgress, RunWorker
from quantgate.pipelines.process.devices.engines import (
    llamacpp_device,
    llamacpp_kernels,
    llamacpp_lacks,
)
from quantgate.pipelines.process.versions import installed_version

ConvertToGguf = Callable[[Checkpoint, Path, RunWorker, OnProgress], Path]
"""Returns a checkpoint as an F16 GGUF, converted into the given folder on first use."""

_PACKAGE = "llama-cpp-python"


class LlamaCppRuntime(NativeRuntime):
    """Answers prompts with llama.cpp in a child process."""

    workers: ClassVar[str] = "quantgate.pipelines.engines.llamacpp.workers"
    # A token of 96 million weights costs an eighth less than with 32, each with its own cache (measured).
    slots: ClassVar[int] = 64

    def __init__(self, *, convert: ConvertToGguf) -> None:
        """Remember how a checkpoint becomes the F16 GGUF that variants are compared with."""
        self._convert = convert

    @override
    def missing(self) -> str | None:
        if importlib.util.find_spec("llama_cpp") is None:
            return f"{_PACKAGE} is not installed: run `make setup`"
        return llamacpp_lacks()

    @override
    def identity(self, subject: Recipe | Numerics | None) -> RuntimeIdentity:
        """Return what will answer.

        The same for every GGUF but for the KV cache: tensors between layers are F32, weights are
        multiplied by native kernels of their own types (which quantize activations to 8-bit blocks as
        they go).
        """
        kernels = llamacpp_kernels()
        return RuntimeIdentity(
            engine="llama.cpp",
            version=f"{_PACKAGE} {installed_version(_PACKAGE)}"
            + (f" ({kernels})" if kernels else ""),
            device=llamacpp_device(),
            kv_cache=subject.kv_cache if isinstance(subject, Recipe) else "f16",
            compute_dtype="f32",
            kernels="native",
        )

    @override
    def held_at_once(self, asked: PromptSet, schedule: Schedule, weights: int, /) -> HeldAtOnce:
        on_gpus = llamacpp_device() != "cpu"
        shares = sharing(
            len(asked.prompts), schedule.slots, schedule.threads, weights, on_gpus=on_gpus
        )
        shared = share_out(asked.prompts, room_of(asked.max_tokens), shares)
        held = shared.most_held
        return HeldAtOnce(
            sequences=sum(layout.sequences for layout in held),
            tokens=sum(layout.context_tokens for layout in held),
            contexts=max(1, len(held)),
        )

    @override
    def reference(
        self, checkpoint: Checkpoint, scratch: Path, run_worker: RunWorker, on_progress: OnProgress
    ) -> Loadable:
        """Return the base as an F16 GGUF.

        Raises:
            CheckpointError: where it is low-bit: what llama.cpp would answer with are other weights.
        """
        if checkpoint.quantization is not None:
            raise CheckpointError(
                f"is low-bit ({checkpoint.quantization}), and a GGUF of it would hold expanded weights",
                where=checkpoint.source,
                next_step="judge it as it is, in transformers",
            )
        path = self._convert(checkpoint, scratch, run_worker, on_progress)
        return Loadable(path=path, format=Format.GGUF)

    @override
    def refusal(self, checkpoint: Checkpoint) -> str | None:
        return checkpoint.refused_by(LLAMA_CPP)

    @override
    def probe(
        self, request: ProbeRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> ProbeReport:
        """Load, compare token ids, decode once; a file that crashes llama.cpp twice is a report too."""
        try:
            return self.confirmed_probe(request, run_worker, on_progress)
        except ChildAbortError as error:
            return ProbeReport.unloaded(f"when loading it, llama.cpp {error.what}")

    @override
    def contents(self, loadable: Loadable) -> Contents:
        return gguf_contents(loadable.path)
