"""GGUF variants by llama.cpp: convert once to F16, compute an importance matrix once, quantize, read back."""

import importlib.metadata
import importlib.util
from pathlib import Path

from typing_extensions import override

from quantgate.pipelines.domain.architectures import LLAMA_CPP
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import (
    Calibration,
    GgufOptions,
    MeasuredMix,
    Recipe,
    TensorTypeRule,
)
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.domain.variant import BuildFacts, Toolchain, ToolVersion
from quantgate.pipelines.engines.backend import Backend, BuildRequest, Built, CalibrationTokens
from quantgate.pipelines.engines.llamacpp.build_messages import (
    ImatrixCall,
    ImatrixFacts,
    QuantizeCall,
    QuantizeFacts,
)
from quantgate.pipelines.engines.llamacpp.build_workers import WORKERS, BuildCost, BuildWorkers
from quantgate.pipelines.engines.llamacpp.conversion import CONVERSION_SOURCES, PACKAGE, Converter
from quantgate.pipelines.engines.llamacpp.mix import (
    MIX_SOURCES,
    MixBasis,
    measured_mix,
    mix_rules,
)
from quantgate.pipelines.engines.llamacpp.types.fallbacks import fallbacks, untold
from quantgate.pipelines.engines.llamacpp.types.misfits import misfits, nearest
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.records import write_record
from quantgate.pipelines.files.sealed import produce_once, read_manifest
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.process.calls import OnProgress, RunWorker
from quantgate.pipelines.process.devices.engines import (
    llamacpp_device,
    llamacpp_kernels,
    llamacpp_lacks,
)

_MODEL, _IMATRIX, _MIX = "model.gguf", "imatrix.gguf", "mix.json"
_KEY_LENGTH = 16


class LlamaCppBackend(Backend):
    """Builds recipes whose options are `GgufOptions`. `converter` holds llama.cpp's conversion scripts."""

    def __init__(self, *, converter: Path) -> None:
        """Remember where the converter was unpacked from the source distribution."""
        self.converter = Converter(converter)

    @override
    def missing(self) -> str | None:
        if importlib.util.find_spec("llama_cpp") is None:
            return f"{PACKAGE} is not installed: run `make setup`"
        return self.converter.missing() or llamacpp_lacks()

    @override
    def toolchain(self, threads: int) -> Toolchain:
        """Return package versions, the converter's digest and that of our own workers' sources."""
        building = [f"{WORKERS}.{name}" for name in ("convert", "imatrix", "quantize")]
        workers = source_digest(*building, *MIX_SOURCES, alone=(__name__, *CONVERSION_SOURCES))
        kernels = llamacpp_kernels()
        return Toolchain(
            tools=(
                *self.converter.tools(),
                ToolVersion(name="quantgate-llamacpp-workers", version=workers),
                *((ToolVersion(name="ggml-cuda", version=kernels),) if kernels else ()),
            ),
            device=llamacpp_device(),
            threads=threads,
        )

    @override
    def misfits(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        """Return what contradicts itself, what matches nothing, and rows that blocks do not divide.

        An architecture that the converter does not have stands before all of it.
        """
        options = _options(recipe)
        if refusal := checkpoint.refused_by(LLAMA_CPP):
            return (refusal,)
        return misfits(checkpoint, recipe, options)

    @override
    def nearest(self, checkpoint: Checkpoint, recipe: Recipe) -> Recipe | None:
        options = _options(recipe)
        return None if checkpoint.refused_by(LLAMA_CPP) else nearest(checkpoint, recipe, options)

    @override
    def remarks(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        sentences = (fallbacks(checkpoint, recipe, _options(recipe)), untold(checkpoint))
        return tuple(sentence for sentence in sentences if sentence)

    @override
    def build(self, request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> Built:
        """Build one variant: convert and calibrate where nobody has yet, then quantize."""
        workers = BuildWorkers(run_worker=run_worker, on_progress=on_progress, log=request.log)
        threads = request.toolchain.threads
        options = _options(request.recipe)
        base = self.converter.f16(request.checkpoint, request.scratch, workers)
        calibrated: ImatrixFacts | None = None
        imatrix: Path | None = None
        rules = options.tensor_types
        if request.recipe.calibration is Calibration.IMATRIX:
            imatrix, calibrated = _imatrix(_calibration(request), base, request, workers)
            if options.mix is not None:
                rules = _mixed(options.mix, base, imatrix, request, workers)
        artifact = request.output / _MODEL
        facts = workers.run(
            "quantize",
            QuantizeCall(
                source=base,
                output=artifact,
                file_type=options.file_type,
                imatrix=imatrix,
                threads=threads,
                tensor_types=rules,
            ),
            QuantizeFacts,
            threads=threads,
        )
        return Built(artifact=artifact, facts=_build_facts(facts, calibrated, workers.cost))


def _imatrix(
    tokens: CalibrationTokens, base: Path, request: BuildRequest, workers: BuildWorkers
) -> tuple[Path, ImatrixFacts]:
    """Return the importance matrix of these very tokens, shared by all recipes that ask for them."""
    device = request.toolchain.device
    key = digest_of(
        [
            base.parent.name,
            file_digest(tokens.file),
            tokens.max_length_tokens,
            request.toolchain.threads,
            source_digest(f"{WORKERS}.imatrix"),
            *([] if device == "cpu" else [device]),
        ]
    )
    folder = request.scratch / f"imatrix-{key[:_KEY_LENGTH]}"

    def produce(staging: Path) -> ImatrixFacts:
        call = ImatrixCall(
            model=base,
            calibration=tokens,
            output=staging / _IMATRIX,
            threads=request.toolchain.threads,
        )
        return workers.run("imatrix", call, ImatrixFacts, threads=call.threads)

    produce_once(folder, ImatrixFacts, produce)
    return folder / _IMATRIX, read_manifest(folder, ImatrixFacts).record


def _mixed(
    mix: MeasuredMix, base: Path, imatrix: Path, request: BuildRequest, workers: BuildWorkers
) -> tuple[TensorTypeRule, ...]:
    """Return the rules of a measured mix; what was measured is written down beside the file."""
    basis = MixBasis(
        base=base,
        imatrix=imatrix,
        calibration=_calibration(request),
        threads=request.toolchain.threads,
    )
    mixed = measured_mix(mix, basis, request.scratch, workers)
    write_record(request.output / _MIX, mixed)
    return mix_rules(mixed)


def _build_facts(
    written: QuantizeFacts, calibrated: ImatrixFacts | None, cost: BuildCost
) -> BuildFacts:
    starved = calibrated.starved if calibrated else ()
    return BuildFacts(
        tensors=written.tensors,
        promised=written.promised,
        calibration_sequences=calibrated.sequences if calibrated else 0,
        calibration_tokens=calibrated.tokens if calibrated else 0,
        nonfinite_tensors=written.nonfinite_tensors,
        warnings=(
            *written.warnings,
            *(f"the corpus never reaches a part of {name}" for name in starved),
        ),
        seconds=cost.seconds,
        peak_memory_bytes=cost.peak_memory_bytes,
        uncovered=written.uncovered,
    )


def _calibration(request: BuildRequest) -> CalibrationTokens:
    if request.calibration is None:
        raise InputError(
            "needs a calibration corpus for its importance matrix",
            where=request.recipe.name,
            next_step="give one with --corpus",
        )
    return request.calibration


def _options(recipe: Recipe) -> GgufOptions:
    if not isinstance(recipe.options, GgufOptions):
        raise InputError(
            f"is not a recipe for llama.cpp ({recipe.format})",
            where=recipe.name,
            next_step="choose another recipe: `quantgate recipes` lists them",
        )
    return recipe.options
