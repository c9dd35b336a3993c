"""The real converter's table of language models, and what it shares with transformers."""

import pytest

from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire

pytestmark = pytest.mark.integration


def test_most_of_what_people_release_is_in_both_tools() -> None:
    converter, transformers = wire(Settings.from_environment()).architectures
    assert converter.label == "llama.cpp's converter (llama-cpp-python-0.3.36)"
    both = converter.names & transformers.names
    assert len(both) > 100
    assert {
        "Cohere2ForCausalLM", "DeepseekV3ForCausalLM", "Gemma3ForConditionalGeneration",
        "Glm4MoeForCausalLM", "GptOssForCausalLM", "Llama4ForConditionalGeneration", "MambaForCausalLM",
        "Qwen3MoeForCausalLM",
    } <= both  # fmt: skip
    assert "InternLM2ForCausalLM" in converter.names - transformers.names
    assert "OPTForCausalLM" in transformers.names - converter.names
    assert not {"BertModel", "T5ForConditionalGeneration", "Eagle3DraftModel"} & converter.names
