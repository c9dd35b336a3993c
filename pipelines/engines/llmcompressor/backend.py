"""Compressed-tensors variants by llm-compressor: GPTQ, FP8, NVFP4 and the other preset schemes."""

import importlib.util
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from typing_extensions import override

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Calibration, CompressedTensorsOptions, Format, Recipe
from quantgate.pipelines.domain.variant import BuildFacts, Toolchain, ToolVersion
from quantgate.pipelines.engines.backend import (
    Backend,
    BuildRequest,
    Built,
    WrittenFolder,
    folder_facts,
    options_of,
    refuse_misfits,
)
from quantgate.pipelines.engines.llmcompressor import layouts as packed_layouts
from quantgate.pipelines.engines.llmcompressor.alternatives import nearest
from quantgate.pipelines.engines.llmcompressor.architectures import refusal, uncalibrated
from quantgate.pipelines.engines.llmcompressor.schemes import mistakes
from quantgate.pipelines.engines.llmcompressor.shapes import (
    addressed,
    cache_scales,
    leaving_whole,
    misfits,
)
from quantgate.pipelines.engines.llmcompressor.smoothing.misfits import smoothing_remarks
from quantgate.pipelines.engines.worker_calls import call_of
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.formats.experts import experts_apart, routers
from quantgate.pipelines.formats.whole_layers import step_projections
from quantgate.pipelines.process.calls import OnProgress, RunWorker
from quantgate.pipelines.process.devices.engines import torch_device, torch_lacks
from quantgate.pipelines.process.versions import installed_version

_WORKERS = "quantgate.pipelines.engines.llmcompressor.workers"
_TOOL = "llm-compressor"
_PACKAGES = ("llmcompressor", "compressed-tensors", "transformers", "torch")
_SOURCES = (f"{_WORKERS}.compress", f"{_WORKERS}.repack")


@dataclass(frozen=True, slots=True)
class LlmCompressorBackend(Backend):
    """Builds recipes whose options are `CompressedTensorsOptions`."""

    @override
    def missing(self) -> str | None:
        modules = [name.replace("-", "_") for name in _PACKAGES]
        lacking = [name for name in modules if importlib.util.find_spec(name) is None]
        if not lacking:
            return torch_lacks()
        return f"the llm-compressor backend lacks {', '.join(lacking)}: run `make setup`"

    @override
    def toolchain(self, threads: int) -> Toolchain:
        """Return package versions and the digest of our worker's source; threads change GPTQ's bytes."""
        tools = [ToolVersion(name=name, version=installed_version(name)) for name in _PACKAGES]
        worker = ToolVersion(
            name="quantgate-llmcompressor-worker",
            version=source_digest(*_SOURCES, alone=(__name__,)),
        )
        return Toolchain(tools=(*tools, worker), device=torch_device(), threads=threads)

    @override
    def misfits(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        """Return what is wrong with the recipe, or why it does not fit and what does, one sentence each."""
        options = options_of(recipe, CompressedTensorsOptions, _TOOL)
        if wrong := mistakes(recipe, options):
            return wrong
        if reason := refusal(checkpoint):
            return (reason,)
        reasons = (
            *uncalibrated(checkpoint, recipe),
            *misfits(checkpoint, options),
            *packed_layouts.misfits(checkpoint, recipe),
        )
        other = nearest(checkpoint, recipe) if reasons else None
        remedy = f"; the nearest recipe that fits is {other.name}" if other else ""
        return tuple(f"{reason}{remedy}" for reason in reasons)

    @override
    def nearest(self, checkpoint: Checkpoint, recipe: Recipe) -> Recipe | None:
        wrong = mistakes(recipe, options_of(recipe, CompressedTensorsOptions, _TOOL))
        return None if wrong or refusal(checkpoint) else nearest(checkpoint, recipe)

    @override
    def remarks(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        """Return what is left whole, and where smoothing takes another architecture's layers."""
        options = options_of(recipe, CompressedTensorsOptions, _TOOL)
        shapes = {
            tensor.name: tensor.shape for tensor in experts_apart(checkpoint.language_tensors)
        }
        kinds = {
            "what chooses experts": routers(shapes),
            "what makes a state space's steps": step_projections(shapes),
        }
        left = (
            f"{kind} stays in full precision ({len(matrices)} matrices)"
            for kind, matrices in kinds.items()
            if matrices and options.scheme is not None
        )
        return (*left, *smoothing_remarks(checkpoint, options))

    @override
    def build(self, request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> Built:
        """Build a folder in `request.output` in one child process, and a second where it is repacked."""
        refuse_misfits(request, self.misfits(request.checkpoint, request.recipe))

        if request.recipe.format is Format.COMPRESSED_TENSORS:
            facts = _compress(request, run_worker, on_progress)
        else:
            facts = packed_layouts.build_packed(request, _compress, run_worker, on_progress)
        return Built(artifact=request.output, facts=facts)


def _compress(request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> BuildFacts:
    """Write the compressed-tensors folder and return what its files hold."""
    options = options_of(request.recipe, CompressedTensorsOptions, _TOOL)
    if request.recipe.calibration is Calibration.NONE:
        request = replace(request, calibration=None)
    else:
        request.required_calibration()
    whole = leaving_whole(request.recipe, request.checkpoint.parts_beside)
    asked = replace(request, recipe=whole)
    with ExitStack() as beside:
        if asked.resident_bytes is not None:
            lies = TemporaryDirectory(dir=request.output, prefix="offloaded-")
            asked = replace(asked, scratch=Path(beside.enter_context(lies)))
        reply = run_worker(call_of(f"{_WORKERS}.compress", asked), WrittenFolder, on_progress)
    tensors = request.checkpoint.language_tensors
    named = [tensor.name for tensor in addressed(tensors, options)]
    # What the tool matched in the model, and what the recipe says by name: neither alone is trusted.
    promised = dict.fromkeys((*named, *cache_scales(tensors, options), *reply.value.promised))
    return folder_facts(reply, tuple(promised))
