"""GGUF variants by llama.cpp: convert once to F16, compute an importance matrix once, quantize, read back."""

import importlib.metadata
import importlib.util
from functools import lru_cache
from pathlib import Path

from typing_extensions import override

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError, ChildAbortError, InputError
from quantgate.pipelines.domain.recipe import (
    Calibration,
    GgufOptions,
    MeasuredMix,
    Recipe,
    TensorTypeRule,
)
from quantgate.pipelines.domain.values import Digest, JsonValue, digest_of
from quantgate.pipelines.domain.variant import BuildFacts, Toolchain, ToolVersion
from quantgate.pipelines.engines.backend import Backend, BuildRequest, Built, CalibrationTokens
from quantgate.pipelines.engines.llamacpp.build_messages import (
    ConvertCall,
    ConvertFacts,
    ImatrixCall,
    ImatrixFacts,
    QuantizeCall,
    QuantizeFacts,
)
from quantgate.pipelines.engines.llamacpp.build_workers import WORKERS, BuildCost, BuildWorkers
from quantgate.pipelines.engines.llamacpp.misfits import misfits
from quantgate.pipelines.engines.llamacpp.mix import (
    MIX_SOURCES,
    MixBasis,
    measured_mix,
    mix_rules,
)
from quantgate.pipelines.engines.llamacpp.pretypes import byte_fallback_hint
from quantgate.pipelines.files.hashing import file_digest, folder_digest
from quantgate.pipelines.files.records import write_record
from quantgate.pipelines.files.sealed import produce_once, read_manifest
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall
from quantgate.pipelines.process.endings import run_confirmed

_PACKAGE = "llama-cpp-python"
_CONVERTER_PARTS = ("convert_hf_to_gguf.py", "conversion/base.py", "gguf-py/gguf/__init__.py")
_MODEL, _IMATRIX, _MIX = "model.gguf", "imatrix.gguf", "mix.json"
_TRIAL = "vocabulary_trial"
_KEY_LENGTH = 16


class LlamaCppBackend(Backend):
    """Builds recipes whose options are `GgufOptions`. `converter` holds llama.cpp's conversion scripts."""

    def __init__(self, *, converter: Path) -> None:
        """Remember where the converter was unpacked from the source distribution."""
        self._converter = converter

    @override
    def missing(self) -> str | None:
        if importlib.util.find_spec("llama_cpp") is None:
            return f"{_PACKAGE} is not installed: run `make setup`"
        if not all((self._converter / part).is_file() for part in _CONVERTER_PARTS):
            return f"llama.cpp's converter is not in {self._converter}: run `make setup`"
        return None

    @override
    def toolchain(self, threads: int) -> Toolchain:
        """Return package versions, the converter's digest and that of our own workers' sources."""
        building = [f"{WORKERS}.{name}" for name in ("convert", "imatrix", "quantize")]
        workers = source_digest(*building, *MIX_SOURCES, alone=(__name__,))
        return Toolchain(
            tools=(
                *self._conversion_tools(),
                ToolVersion(name="quantgate-llamacpp-workers", version=workers),
            ),
            device="cpu",
            threads=threads,
        )

    @override
    def misfits(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        """Return what contradicts itself, what matches nothing, and rows that blocks do not divide."""
        return misfits(checkpoint, recipe, _options(recipe))

    @override
    def build(self, request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> Built:
        """Build one variant: convert and calibrate where nobody has yet, then quantize."""
        workers = BuildWorkers(run_worker=run_worker, on_progress=on_progress, log=request.log)
        threads = request.toolchain.threads
        options = _options(request.recipe)
        base = self._f16(request.checkpoint, request.scratch, workers)
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

    def convert(
        self,
        checkpoint: Checkpoint,
        scratch: Path,
        run_worker: RunWorker,
        on_progress: OnProgress,
    ) -> Path:
        """Return the checkpoint as an F16 GGUF, converted into `scratch` on first use.

        Raises:
            CheckpointError, WorkerError: with the log's path.
        """
        log = scratch / "gguf-f16.log"
        return self._f16(
            checkpoint,
            scratch,
            BuildWorkers(run_worker=run_worker, on_progress=on_progress, log=log),
        )

    def refuse_tokenizer(
        self, checkpoint: Checkpoint, store: Store, run_worker: RunWorker, on_progress: OnProgress
    ) -> None:
        """Refuse a tokenizer that llama.cpp cannot have; tried once and remembered.

        Raises:
            CheckpointError: with the converter's or llama.cpp's own reason.
            ToolchainError, WorkerError: from the child process.
        """
        tools: list[JsonValue] = [[tool.name, tool.version] for tool in self._conversion_tools()]
        sources = source_digest(f"{WORKERS}.convert", f"{WORKERS}.{_TRIAL}")
        key = digest_of([checkpoint.digests.combined, tools, sources])
        folder = store.checkpoint(checkpoint.digests.combined) / f"vocabulary-{key[:_KEY_LENGTH]}"

        def produce(staging: Path) -> ConvertFacts:
            log = store.logs / f"vocabulary-{key[:_KEY_LENGTH]}.log"
            request = ConvertCall(
                converter=self._converter, checkpoint=checkpoint.folder, output=staging / _MODEL
            )
            call = WorkerCall(module=f"{WORKERS}.{_TRIAL}", request=request, log=log, threads=1)
            try:
                return run_confirmed(run_worker, call, ConvertFacts, on_progress)
            except ChildAbortError as error:
                raise _unreadable(error, checkpoint) from error

        produce_once(folder, ConvertFacts, produce)

    def _f16(self, checkpoint: Checkpoint, scratch: Path, workers: BuildWorkers) -> Path:
        tools: list[JsonValue] = [[tool.name, tool.version] for tool in self._conversion_tools()]
        key = digest_of([checkpoint.digests.combined, tools, source_digest(f"{WORKERS}.convert")])
        folder = scratch / f"gguf-f16-{key[:_KEY_LENGTH]}"

        def produce(staging: Path) -> ConvertFacts:
            call = ConvertCall(
                converter=self._converter, checkpoint=checkpoint.folder, output=staging / _MODEL
            )
            return workers.run("convert", call, ConvertFacts, threads=1)

        produce_once(folder, ConvertFacts, produce)
        return folder / _MODEL

    def _conversion_tools(self) -> tuple[ToolVersion, ...]:
        return (
            ToolVersion(name=_PACKAGE, version=importlib.metadata.version(_PACKAGE)),
            ToolVersion(
                name="llama.cpp-converter", version=_scripts_digest(self._converter)[:_KEY_LENGTH]
            ),
            # It reads the vocabulary that the converter writes down.
            ToolVersion(name="transformers", version=importlib.metadata.version("transformers")),
        )


def _scripts_digest(converter: Path) -> Digest:
    """Return the digest of the converter's hundreds of files, read anew once one was written."""
    scripts = (
        converter / "convert_hf_to_gguf.py",
        *(converter / "conversion").glob("*.py"),
        *(converter / "gguf-py").rglob("*.py"),
    )
    written = ((path, path.stat()) for path in sorted(scripts))
    return _digest_of_files(
        converter, tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in written)
    )


@lru_cache(maxsize=1)
def _digest_of_files(folder: Path, files: tuple[tuple[Path, int, int], ...]) -> Digest:
    return folder_digest(
        (path.relative_to(folder).as_posix(), file_digest(path)) for path, _, _ in files
    )


def _unreadable(error: ChildAbortError, checkpoint: Checkpoint) -> CheckpointError:
    """An engine that aborts over a vocabulary says that it cannot have it."""
    return CheckpointError(
        f"llama.cpp cannot have this tokenizer: it {error.what}",
        where=str(checkpoint.folder / "tokenizer.json"),
        next_step=byte_fallback_hint(checkpoint.folder),
        log=error.log,
    )


def _imatrix(
    tokens: CalibrationTokens, base: Path, request: BuildRequest, workers: BuildWorkers
) -> tuple[Path, ImatrixFacts]:
    """Return the importance matrix of these very tokens, shared by all recipes that ask for them."""
    key = digest_of(
        [
            base.parent.name,
            file_digest(tokens.file),
            tokens.max_length_tokens,
            request.toolchain.threads,
            source_digest(f"{WORKERS}.imatrix"),
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
        raise InputError(f"is not a recipe for llama.cpp ({recipe.format})", where=recipe.name)
    return recipe.options
