"""AWQ's gemm layout by the archived autoawq 0.2.9: what sets it apart from auto-gptq."""

from quantgate.pipelines.domain.checkpoint import TensorFacts
from quantgate.pipelines.domain.recipe import AutoAwqOptions
from quantgate.pipelines.engines.archived.backend import ArchivedPackage
from quantgate.pipelines.engines.archived.shapes import output_misfits

WORKER = "quantgate.pipelines.engines.archived.workers.autoawq"
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


def _output_misfits(weights: tuple[TensorFacts, ...]) -> tuple[str, ...]:
    clipped = [tensor for tensor in weights if not _keeps_its_range(tensor)]
    return (
        *output_misfits(weights, _PACKED_TOGETHER, "which is what one packed word holds"),
        *output_misfits(clipped, _CLIPPED_TOGETHER, "which autoawq clips together"),
    )


def _keeps_its_range(tensor: TensorFacts) -> bool:
    module = tensor.name.removesuffix(".weight").split(".", 3)[-1]
    return any(part in module for part in _NEVER_CLIPPED)


AUTOAWQ = ArchivedPackage(
    name="autoawq",
    worker=WORKER,
    architectures=_ARCHITECTURES,
    options=AutoAwqOptions,
    output_misfits=_output_misfits,
)
