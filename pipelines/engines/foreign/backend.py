"""Backend of what others made: it builds nothing, takes files over as they are, and reads them back."""

import time
from pathlib import Path

from typing_extensions import override

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.foreign import ForeignOptions
from quantgate.pipelines.domain.recipe import Format, Recipe
from quantgate.pipelines.domain.variant import BuildFacts, Toolchain, ToolVersion
from quantgate.pipelines.engines.backend import Backend, BuildRequest, Built, options_of
from quantgate.pipelines.engines.contents import folder_contents, gguf_contents
from quantgate.pipelines.engines.foreign.misfits import folder_misfits, gguf_misfits
from quantgate.pipelines.engines.foreign.taking import take
from quantgate.pipelines.engines.written import written_tensors
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.formats.nonfinite import nonfinite_tensors
from quantgate.pipelines.formats.packed.compressed import stored_scheme, unsound_tensors
from quantgate.pipelines.formats.safetensors import StoredTensor, read_tensors
from quantgate.pipelines.process.calls import OnProgress, Progress, RunWorker


class ForeignBackend(Backend):
    """Takes over recipes whose options are `ForeignOptions`."""

    @override
    def missing(self) -> str | None:
        return None

    @override
    def toolchain(self, threads: int) -> Toolchain:
        """Name the one tool that is known: what reads the files back; who made them is theirs to claim."""
        del threads
        reader = ToolVersion(name="quantgate-foreign", version=source_digest(__name__))
        return Toolchain(tools=(reader,), device="cpu", threads=1)

    @override
    def misfits(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        first = _options(recipe).files[0].path
        if recipe.format is Format.GGUF:
            return tuple(gguf_misfits(first, checkpoint))
        return tuple(folder_misfits(first.parent, checkpoint))

    @override
    def build(self, request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> Built:
        """Take the files over.

        Raises:
            CheckpointError: where one is gone, was changed since it was planned, or is damaged.
        """
        del run_worker
        started = time.monotonic()
        files = _options(request.recipe).files
        done, total = 0, sum(file.size_bytes for file in files)
        for file in files:
            on_progress(Progress(done=done, total=total, what=f"taking over {file.path.name}"))
            take(file, request.output / file.name)
            done += file.size_bytes
        on_progress(Progress(done=done, total=total, what="reading it back"))
        artifact = (
            request.output / files[0].name
            if request.recipe.format is Format.GGUF
            else request.output
        )
        facts = _facts(request, artifact, started)
        return Built(artifact=artifact, facts=facts)


def _facts(request: BuildRequest, artifact: Path, started: float) -> BuildFacts:
    """What promises nothing is held to what it has: its own low-bit tensors."""
    written_in = request.recipe.format
    read = gguf_contents if written_in is Format.GGUF else folder_contents
    stored = read(artifact).tensors
    tensors = written_tensors(written_in, read_tensors(request.checkpoint.folder), stored, artifact)
    return BuildFacts(
        tensors=tensors,
        promised=tuple(tensor.name for tensor in tensors if tensor.quantized),
        calibration_sequences=0,
        calibration_tokens=0,
        nonfinite_tensors=_nonfinite(written_in, stored, artifact),
        warnings=(),
        seconds=time.monotonic() - started,
        peak_memory_bytes=0,
    )


def _nonfinite(
    written_in: Format, stored: tuple[StoredTensor, ...], artifact: Path
) -> tuple[str, ...]:
    """Scales inside the blocks of a GGUF are llama.cpp's to check, which it does where it loads the file."""
    if written_in is Format.COMPRESSED_TENSORS:
        return unsound_tensors(stored, stored_scheme(artifact))
    return nonfinite_tensors(stored)


def _options(recipe: Recipe) -> ForeignOptions:
    return options_of(recipe, ForeignOptions, "what others made")
