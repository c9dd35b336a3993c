"""GPTQ's layout by the archived auto-gptq 0.7.1, in the locked environment it shares with autoawq."""

from dataclasses import dataclass

from pipelines.backends.archived import ArchivedPackage, archived_source
from pipelines.backends.archived_messages import AutoGptqCall
from pipelines.backends.archived_shapes import group_misfits, layer_weights, output_misfits
from pipelines.backends.protocol import BuildRequest, Built
from pipelines.domain.checkpoint import Checkpoint
from pipelines.domain.errors import CheckpointError, InputError
from pipelines.domain.recipe import AutoGptqOptions, Recipe
from pipelines.domain.variant import Toolchain
from pipelines.process.calls import OnProgress, RunWorker
from pipelines.process.environments import LockedEnvironment

WORKER = "pipelines.backends.workers.autogptq_quantize"
_ARCHITECTURES = (
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Qwen2ForCausalLM",
    "GemmaForCausalLM",
)
_PACKED_TOGETHER = 32
"""auto-gptq packs zero points by 32 outputs; it would cut off the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoGptqBackend:
    """Builds recipes whose options are `AutoGptqOptions`; see `Backend`."""

    environment: LockedEnvironment

    def missing(self) -> str | None:
        """Return None when the environment is made, else one sentence with the command that makes it."""
        return self.environment.missing()

    def toolchain(self, threads: int) -> Toolchain:
        """Return everything that influences the bytes.

        Raises:
            ToolchainError: where the environment is not made.
        """
        return self._package.toolchain(threads)

    def misfits(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        """Return why architecture, configuration or shapes do not fit, one sentence each."""
        group_size = _options(recipe).group_size
        weights = layer_weights(checkpoint)
        return (
            *self._package.refusals(checkpoint),
            *group_misfits(weights, group_size),
            *output_misfits(weights, _PACKED_TOGETHER, "which auto-gptq packs together"),
        )

    def build(self, request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> Built:
        """Build a folder in GPTQ's layout in `request.output`, in one child process."""
        if misfits := self.misfits(request.checkpoint, request.recipe):
            raise CheckpointError(
                f"recipe {request.recipe.name} does not fit: {misfits[0]}",
                where=request.checkpoint.name,
            )
        call = AutoGptqCall(source=archived_source(request), options=_options(request.recipe))
        return self._package.build(request, call, run_worker, on_progress)

    @property
    def _package(self) -> ArchivedPackage:
        return ArchivedPackage(
            name="auto-gptq",
            environment=self.environment,
            worker=WORKER,
            architectures=_ARCHITECTURES,
        )


def _options(recipe: Recipe) -> AutoGptqOptions:
    if not isinstance(recipe.options, AutoGptqOptions):
        raise InputError(f"recipe {recipe.name} is for {recipe.options.backend}, not for auto-gptq")
    return recipe.options
