"""The backend of both archived packages: refuse what does not fit, call the package's worker, report.

They compute on the CPU everywhere: their GPU kernels were made for a torch of their own time, and
llm-compressor builds the same schemes on a GPU.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from typing_extensions import override

from quantgate.pipelines.domain.checkpoint import Checkpoint, TensorFacts
from quantgate.pipelines.domain.errors import CheckpointError, ToolchainError
from quantgate.pipelines.domain.recipe import AutoAwqOptions, AutoGptqOptions, Recipe
from quantgate.pipelines.domain.variant import Toolchain, ToolVersion
from quantgate.pipelines.engines.archived.config import older_config
from quantgate.pipelines.engines.archived.shapes import group_misfits, layer_weights
from quantgate.pipelines.engines.backend import (
    Backend,
    BuildRequest,
    Built,
    WrittenFolder,
    folder_facts,
    options_of,
    refuse_misfits,
)
from quantgate.pipelines.engines.worker_calls import call_of
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.process.calls import OnProgress, RunWorker
from quantgate.pipelines.process.environments import LockedEnvironment

Options = TypeVar("Options", bound=AutoAwqOptions | AutoGptqOptions)

_BESIDE = ("transformers", "torch", "accelerate")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedPackage(Generic[Options]):
    """What sets one of the packages apart: its worker, what it takes, and what it is to be told.

    An architecture is listed where the package and transformers 4.51 both have it and a small random
    checkpoint of it was quantized and read back. `output_misfits` tells why the outputs of some weights
    do not fit it.
    """

    name: str
    worker: str
    architectures: tuple[str, ...]
    options: type[Options]
    output_misfits: Callable[[tuple[TensorFacts, ...]], tuple[str, ...]]

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
class ArchivedBackend(Backend, Generic[Options]):
    """Builds the recipes of one archived package in the environment that both share."""

    package: ArchivedPackage[Options]
    environment: LockedEnvironment

    @override
    def missing(self) -> str | None:
        return self.environment.missing()

    @override
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
            version=source_digest(package.worker, alone=(__name__,)),
        )
        return Toolchain(tools=(*versions, lock, worker), device="cpu", threads=threads)

    @override
    def misfits(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        """Return why architecture, configuration or shapes do not fit, one sentence each."""
        options = options_of(recipe, self.package.options, self.package.name)
        weights = layer_weights(checkpoint)
        return (
            *self.package.refusals(checkpoint),
            *group_misfits(weights, options.group_size),
            *self.package.output_misfits(weights),
        )

    @override
    def build(self, request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> Built:
        """Build a folder in the package's layout in `request.output`, in one child process."""
        refuse_misfits(request, self.misfits(request.checkpoint, request.recipe))
        request.required_calibration()
        if missing := self.environment.missing():
            raise ToolchainError(
                missing,
                where=request.recipe.name,
                next_step="`make setup-archived` makes it; or leave the recipe out",
            )
        call = replace(call_of(self.package.worker, request), python=self.environment.python)
        reply = run_worker(call, WrittenFolder, on_progress)
        promised = tuple(tensor.name for tensor in layer_weights(request.checkpoint))
        return Built(artifact=request.output, facts=folder_facts(reply, promised))
