"""AWQ's gemm layout by the archived autoawq 0.2.9, in the locked environment it shares with auto-gptq."""

from dataclasses import dataclass

from pipelines.backends.archived import ArchivedPackage, archived_source
from pipelines.backends.archived_messages import AutoAwqCall
from pipelines.backends.archived_shapes import group_misfits, layer_weights, output_misfits
from pipelines.backends.protocol import BuildRequest, Built
from pipelines.domain.checkpoint import Checkpoint, TensorFacts
from pipelines.domain.errors import CheckpointError, InputError
from pipelines.domain.recipe import AutoAwqOptions, Recipe
from pipelines.domain.variant import Toolchain
from pipelines.process.calls import OnProgress, RunWorker
from pipelines.process.environments import LockedEnvironment

WORKER = "pipelines.backends.workers.autoawq_quantize"
_ARCHITECTURES = (
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
    "GemmaForCausalLM",
    "Gemma2ForCausalLM",
    "Phi3ForCausalLM",
    "StableLmForCausalLM",
)  # not Starcoder2: autoawq scales its activations by tensors that readers of the layout do not know
_PACKED_TOGETHER = 8
_CLIPPED_TOGETHER = 64
_NEVER_CLIPPED = ("q_", "k_", "query", "key", "Wqkv")
"""autoawq searches clipping for 64 outputs at a time, in layers with none of these in the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoAwqBackend:
    """Builds recipes whose options are `AutoAwqOptions`; see `Backend`."""

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
        clipped = [tensor for tensor in weights if not _keeps_its_range(tensor)]
        return (
            *self._package.refusals(checkpoint),
            *group_misfits(weights, group_size),
            *output_misfits(weights, _PACKED_TOGETHER, "which is what one packed word holds"),
            *output_misfits(clipped, _CLIPPED_TOGETHER, "which autoawq clips together"),
        )

    def build(self, request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> Built:
        """Build a folder in AWQ's gemm layout in `request.output`, in one child process."""
        if misfits := self.misfits(request.checkpoint, request.recipe):
            raise CheckpointError(
                f"recipe {request.recipe.name} does not fit: {misfits[0]}",
                where=request.checkpoint.name,
            )
        call = AutoAwqCall(source=archived_source(request), options=_options(request.recipe))
        return self._package.build(request, call, run_worker, on_progress)

    @property
    def _package(self) -> ArchivedPackage:
        return ArchivedPackage(
            name="autoawq",
            environment=self.environment,
            worker=WORKER,
            architectures=_ARCHITECTURES,
        )


def _keeps_its_range(tensor: TensorFacts) -> bool:
    module = tensor.name.removesuffix(".weight").split(".", 3)[-1]
    return any(part in module for part in _NEVER_CLIPPED)


def _options(recipe: Recipe) -> AutoAwqOptions:
    if not isinstance(recipe.options, AutoAwqOptions):
        raise InputError(f"recipe {recipe.name} is for {recipe.options.backend}, not for autoawq")
    return recipe.options
