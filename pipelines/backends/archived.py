"""What the backends of both archived packages do alike, in the parent: refuse, call the worker, report.

They compute on the CPU everywhere: their GPU kernels were made for a torch of their own time, and
llm-compressor builds the same schemes on a GPU.
"""

from dataclasses import dataclass

from pipelines.backends.archived_config import older_config
from pipelines.backends.archived_messages import ArchivedFacts, ArchivedSource
from pipelines.backends.archived_shapes import layer_weights
from pipelines.backends.protocol import BuildRequest, Built
from pipelines.domain.checkpoint import Checkpoint
from pipelines.domain.errors import CheckpointError, InputError, ToolchainError
from pipelines.domain.variant import BuildFacts, Toolchain, ToolVersion
from pipelines.files.hashing import source_digest
from pipelines.process.calls import OnProgress, RunWorker, WorkerCall
from pipelines.process.environments import LockedEnvironment

_BESIDE = ("transformers", "torch", "accelerate")
_SOURCES = (
    "pipelines.backends.archived_config",
    "pipelines.backends.archived_rope",
    "pipelines.backends.workers.archived_checkpoint",
    "pipelines.files.tokenizer_folder",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedPackage:
    """One of the packages: where it is, its worker, and the architectures that it takes.

    An architecture is listed where the package and transformers 4.51 both have it and a small random
    checkpoint of it was quantized and read back.
    """

    name: str
    environment: LockedEnvironment
    worker: str
    architectures: tuple[str, ...]

    def toolchain(self, threads: int) -> Toolchain:
        """Return package versions, the lock's digest and our worker's; threads change the bytes.

        Raises:
            ToolchainError: where the environment is not made.
        """
        versions = [
            ToolVersion(name=name, version=self.environment.version(name))
            for name in (self.name, *_BESIDE)
        ]
        lock = ToolVersion(
            name=f"quantgate-{self.environment.name}-lock", version=self.environment.digest
        )
        worker = ToolVersion(
            name=f"quantgate-{self.name}-worker", version=source_digest(self.worker, *_SOURCES)
        )
        return Toolchain(tools=(*versions, lock, worker), device="cpu", threads=threads)

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

    def build(
        self, request: BuildRequest, message: object, run_worker: RunWorker, on_progress: OnProgress
    ) -> Built:
        """Have the worker quantize; `message` is what it is to do.

        Raises:
            ToolchainError: where the environment is not made.
            CheckpointError, WorkerError: from the worker.
        """
        if missing := self.environment.missing():
            raise ToolchainError(missing, where=request.recipe.name)
        call = WorkerCall(
            module=self.worker,
            request=message,
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
