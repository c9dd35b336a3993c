"""GPTQ's layout by the archived auto-gptq 0.7.1: what sets it apart from autoawq."""

from quantgate.pipelines.domain.checkpoint import TensorFacts
from quantgate.pipelines.domain.recipe import AutoGptqOptions
from quantgate.pipelines.engines.archived.backend import ArchivedPackage
from quantgate.pipelines.engines.archived.shapes import output_misfits

WORKER = "quantgate.pipelines.engines.archived.workers.autogptq"
_ARCHITECTURES = (
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Qwen2ForCausalLM",
    "GemmaForCausalLM",
)
_PACKED_TOGETHER = 32
"""auto-gptq packs zero points by 32 outputs; it would cut off the rest."""


def _output_misfits(weights: tuple[TensorFacts, ...]) -> tuple[str, ...]:
    return output_misfits(weights, _PACKED_TOGETHER, "which auto-gptq packs together")


AUTOGPTQ = ArchivedPackage(
    name="auto-gptq",
    worker=WORKER,
    architectures=_ARCHITECTURES,
    options=AutoGptqOptions,
    output_misfits=_output_misfits,
)
