"""Compressed-tensors variants by llm-compressor: GPTQ, FP8, NVFP4 and the other preset schemes."""

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.recipe import Calibration, CompressedTensorsOptions, Format, Recipe
from quantgate.pipelines.domain.variant import BuildFacts, Toolchain, ToolVersion
from quantgate.pipelines.engines.backend import BuildRequest, Built
from quantgate.pipelines.engines.llmcompressor import layouts as packed_layouts
from quantgate.pipelines.engines.llmcompressor.alternatives import nearest
from quantgate.pipelines.engines.llmcompressor.messages import CompressCall, CompressFacts
from quantgate.pipelines.engines.llmcompressor.schemes import mistakes
from quantgate.pipelines.engines.llmcompressor.shapes import addressed, cache_scales, misfits
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.process.accelerator import accelerator_name
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall

_WORKERS = "quantgate.pipelines.engines.llmcompressor.workers"
_PACKAGES = ("llmcompressor", "compressed-tensors", "transformers", "torch")
_SOURCES = (f"{_WORKERS}.compress", f"{_WORKERS}.repack")


@dataclass(frozen=True, slots=True)
class LlmCompressorBackend:
    """Builds recipes whose options are `CompressedTensorsOptions`; see `Backend`."""

    def missing(self) -> str | None:
        """Return None when everything needed is installed, else one sentence."""
        modules = [name.replace("-", "_") for name in _PACKAGES]
        lacking = [name for name in modules if importlib.util.find_spec(name) is None]
        if not lacking:
            return None
        return f"the llm-compressor backend lacks {', '.join(lacking)}: run `make setup`"

    def toolchain(self, threads: int) -> Toolchain:
        """Return package versions and the digest of our worker's source; threads change GPTQ's bytes."""
        tools = [
            ToolVersion(name=name, version=importlib.metadata.version(name)) for name in _PACKAGES
        ]
        worker = ToolVersion(
            name="quantgate-llmcompressor-worker",
            version=source_digest(*_SOURCES, alone=(__name__,)),
        )
        return Toolchain(
            tools=(*tools, worker), device=accelerator_name() or "cpu", threads=threads
        )

    def misfits(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        """Return what is wrong with the recipe, or why it does not fit and what does, one sentence each."""
        options = _options(recipe)
        if wrong := mistakes(recipe, options):
            return wrong
        reasons = (*misfits(checkpoint, options), *packed_layouts.misfits(checkpoint, recipe))
        other = nearest(checkpoint, recipe) if reasons else None
        remedy = f"; the nearest recipe that fits is {other.name}" if other else ""
        return tuple(f"{reason}{remedy}" for reason in reasons)

    def build(self, request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> Built:
        """Build a folder in `request.output` in one child process, and a second where it is repacked."""
        if misfits := self.misfits(request.checkpoint, request.recipe):
            raise CheckpointError(
                f"recipe {request.recipe.name} does not fit: {misfits[0]}",
                where=request.checkpoint.name,
            )

        def compress(asked: BuildRequest) -> BuildFacts:
            return _compress(asked, run_worker, on_progress)

        if request.recipe.format is Format.COMPRESSED_TENSORS:
            facts = compress(request)
        else:
            facts = packed_layouts.build_packed(request, compress, run_worker, on_progress)
        return Built(artifact=request.output, facts=facts)


def _compress(request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> BuildFacts:
    """Write the compressed-tensors folder and return what its files hold."""
    options = _options(request.recipe)
    call = WorkerCall(
        module=f"{_WORKERS}.compress",
        request=CompressCall(
            base=request.checkpoint.folder,
            output=request.output,
            options=options,
            calibration=_calibration_file(request),
            device=request.toolchain.device,
        ),
        log=request.log,
        threads=request.toolchain.threads,
    )
    reply = run_worker(call, CompressFacts, on_progress)
    tensors = request.checkpoint.tensors
    named = [tensor.name for tensor in addressed(tensors, options)]
    # What the tool matched in the model, and what the recipe says by name: neither alone is trusted.
    promised = dict.fromkeys((*named, *cache_scales(tensors, options), *reply.value.promised))
    return BuildFacts(
        tensors=reply.value.tensors,
        promised=tuple(promised),
        calibration_sequences=reply.value.calibration_sequences,
        calibration_tokens=reply.value.calibration_tokens,
        nonfinite_tensors=reply.value.nonfinite_tensors,
        warnings=reply.value.warnings,
        seconds=reply.seconds,
        peak_memory_bytes=reply.peak_memory_bytes,
    )


def _options(recipe: Recipe) -> CompressedTensorsOptions:
    if not isinstance(recipe.options, CompressedTensorsOptions):
        raise InputError(
            f"recipe {recipe.name} is for {recipe.options.backend}, not for llm-compressor"
        )
    return recipe.options


def _calibration_file(request: BuildRequest) -> Path | None:
    if request.recipe.calibration is Calibration.NONE:
        return None
    if request.calibration is None:
        raise InputError(
            f"recipe {request.recipe.name} needs a calibration corpus and got none",
            next_step="name a corpus in the build file or with CORPUS=",
        )
    return request.calibration.file
