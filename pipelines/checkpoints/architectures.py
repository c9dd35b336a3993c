"""Architectures: which were reviewed here, and which no tool can load.

A row of the table stands here when llama.cpp's converter (llama-cpp-python 0.3.36) and transformers 5.17
both have the class, it is a decoder whose weights are 2-D `Linear`s under `model.layers.<n>.`, and a small
random checkpoint of it went through llm-compressor's FP8_DYNAMIC and W4A16 and back into transformers
(Mixtral: through llama.cpp, every expert's counts equal to llama-imatrix's). Every other architecture that
a tool has is built as well and called unreviewed: audits protect both alike, but what nobody looked at may
fail in new ways.
"""

import difflib
from collections.abc import Sequence

from quantgate.pipelines.domain.architectures import ToolArchitectures, ToolRefusal
from quantgate.pipelines.domain.errors import CheckpointError

REVIEWED_ARCHITECTURES = frozenset(
    {
        "LlamaForCausalLM",
        "MistralForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen3ForCausalLM",
        "GemmaForCausalLM",
        "Gemma2ForCausalLM",
        "Gemma3ForCausalLM",
        "Phi3ForCausalLM",
        "OlmoForCausalLM",
        "Olmo2ForCausalLM",
        "GraniteForCausalLM",
        "SmolLM3ForCausalLM",
        "StableLmForCausalLM",
        "Starcoder2ForCausalLM",
        "MixtralForCausalLM",
    }
)
_SHOWN_CHARACTERS = 200
_NEIGHBOURS = 3


def tool_refusals(
    architecture: str, tools: Sequence[ToolArchitectures], *, where: str
) -> tuple[ToolRefusal, ...]:
    """Return the refusals of those tools that have no class for an architecture.

    Raises:
        CheckpointError: where none of them has one.
    """
    asked = [tool.refusal(architecture) for tool in tools]
    refusals = tuple(refusal for refusal in asked if refusal is not None)
    if len(refusals) < len(tools) or not tools:
        return refusals
    names = sorted(frozenset[str]().union(*(tool.names for tool in tools)))
    near = difflib.get_close_matches(architecture, names, n=_NEIGHBOURS)
    labels = " nor ".join(tool.label for tool in tools)
    raise CheckpointError(
        f"no language model is called {architecture[:_SHOWN_CHARACTERS]} in {labels}",
        where=where,
        next_step=f"the nearest names there are {', '.join(near)}"
        if near
        else "name a checkpoint whose config.json names a class that one of them has; code that comes "
        "with a checkpoint (auto_map) is never run",
    )
