"""The backend of both archived packages: refuse what does not fit, call the package's worker, report.

They compute on the CPU everywhere: their GPU kernels were made for a torch of their own time, and
llm-compressor builds the same schemes on a GPU.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from quantgate.pipelines.domain.checkpoint import Checkpoint, TensorFacts
from quantgate.pipelines.domain.errors import CheckpointError, InputError, ToolchainError
from quantgate.pipelines.domain.recipe import AutoAwqOptions, AutoGptqOptions, Recipe
from quantgate.pipelines.domain.variant import BuildFacts, Toolchain, ToolVersion
from quantgate.pipelines.engines.archived.config import older_config
from quantgate.pipelines.engines.archived.messages import ArchivedFacts, ArchivedSource
from quantgate.pipelines.engines.archived.shapes import group_misfits, layer_weights
from quantgate.pipelines.engines.backend import BuildRequest, Built
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall
from quantgate.pipelines.process.environments import LockedEnvironment

Options = TypeVar("Options", bound=AutoAwqOptions | AutoGptqOptions)

_BESIDE = ("transformers", "torch", "accelerate")
_SOURCES = (
    "quantgate.pipelines.engines.archived.config",
    "quantgate.pipelines.engines.archived.workers.checkpoint",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedPackage(Generic[Options]):
    """What sets one of the packages apart: its worker, what it takes, and what it is to be told.

    An architecture is listed where the package and transformers 4.51 both have it and a small random
    checkpoint of it was quantized and read back. `output_misfits` tells why the outputs of some weights
    do not fit it; `message` is what its worker is sent.
    """

    name: str
    worker: str
    architectures: tuple[str, ...]
    options: type[Options]
    output_misfits: Callable[[tuple[TensorFacts, ...]], tuple[str, ...]]
    message: Callable[[ArchivedSource, Options], object]

    def options_of(self, recipe: Recipe) -> Options:
        """Return a recipe's options.

        Raises:
            InputError: where they are another backend's.
        """
        if not isinstance(recipe.options, self.options):
            raise InputError(
                f"recipe {recipe.name} is for {recipe.options.backend}, not for {self.name}"
            )
        return recipe.options

    def refusals(self, checkpoint: Checkpoint) -> tuple[str, ...]:
        """Return why the package cannot take the checkpoint, whatever its shapes; empty when it can."""
        if checkpoint.architecture not in self.architectures:
            return (
                f"{self.name} cannot take {checkpoint.architecture}, only "
                f"{', '.join(self.architectures)}; llm-compressor's recipes of the same scheme can",
            )
        if not layer_weights(checkpoint):
            return (f"{checkpoint.name} has no matrices in decoder layers",)
        try:
            older_config(checkpoint.folder)
        except CheckpointError as error:
            return (f"in config.json, {error.what}; {error.next_step}",)
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedBackend(Generic[Options]):
    """Builds the recipes of one archived package in the environment that both share; see `Backend`."""

    package: ArchivedPackage[Options]
    environment: LockedEnvironment

    def missing(self) -> str | None:
        """Return None when the environment is made, else one sentence with the command that makes it."""
        return self.environment.missing()

    def toolchain(self, threads: int) -> Toolchain:
        """Return package versions, the lock's digest and our worker's; threads change the bytes.

        Raises:
            ToolchainError: where the environment is not made.
        """
        package, environment = self.package, self.environment
        versions = [
            ToolVersion(name=name, version=environment.version(name))
            for name in (package.name, *_BESIDE)
        ]
        lock = ToolVersion(name=f"quantgate-{environment.name}-lock", version=environment.digest)
        worker = ToolVersion(
            name=f"quantgate-{package.name}-worker",
            version=source_digest(package.worker, *_SOURCES, alone=(__name__,)),
        )
        return Toolchain(tools=(*versions, lock, worker), device="cpu", threads=threads)

    def misfits(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        """Return why architecture, configuration or shapes do not fit, one sentence each."""
        options = self.package.options_of(recipe)
        weights = layer_weights(checkpoint)
        return (
            *self.package.refusals(checkpoint),
            *group_misfits(weights, options.group_size),
            *self.package.output_misfits(weights),
        )

    def build(self, request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> Built:
        """Build a folder in the package's layout in `request.output`, in one child process."""
        if misfits := self.misfits(request.checkpoint, request.recipe):
            raise CheckpointError(
                f"recipe {request.recipe.name} does not fit: {misfits[0]}",
                where=request.checkpoint.name,
            )
        source = archived_source(request)
        if missing := self.environment.missing():
            raise ToolchainError(missing, where=request.recipe.name)
        call = WorkerCall(
            module=self.package.worker,
            request=self.package.message(source, self.package.options_of(request.recipe)),
            log=request.log,
            threads=request.toolchain.threads,
            python=self.environment.python,
        )
        reply = run_worker(call, ArchivedFacts, on_progress)
        facts = BuildFacts(
            tensors=reply.value.tensors,
            promised=tuple(tensor.name for tensor in layer_weights(request.checkpoint)),
            calibration_sequences=reply.value.calibration_sequences,
            calibration_tokens=reply.value.calibration_tokens,
            nonfinite_tensors=reply.value.nonfinite_tensors,
            warnings=reply.value.warnings,
            seconds=reply.seconds,
            peak_memory_bytes=reply.peak_memory_bytes,
        )
        return Built(artifact=request.output, facts=facts)


def archived_source(request: BuildRequest) -> ArchivedSource:
    """Return what a worker is to read and where it is to write.

    Raises:
        InputError: where there is no calibration corpus.
        CheckpointError: where config.json has no equal in transformers 4.51.
    """
    if request.calibration is None:
        raise InputError(
            f"recipe {request.recipe.name} needs a calibration corpus and got none",
            next_step="name a corpus in the build file or with CORPUS=",
        )
    return ArchivedSource(
        base=request.checkpoint.folder,
        older_config=older_config(request.checkpoint.folder),
        calibration=request.calibration.file,
        max_length_tokens=request.calibration.max_length_tokens,
        output=request.output,
    )
