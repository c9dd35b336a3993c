"""Which architectures are tried is what all tools know."""

from quantgate.pipelines.domain.architectures import ToolArchitectures
from tests.support.architectures.names import Architecture, known_to_all


def knowing(*names: str) -> ToolArchitectures:
    return ToolArchitectures(tool="a tool", label="a tool 1", names=frozenset(names))


def test_only_what_all_tools_know_is_tried_in_the_order_of_names() -> None:
    tools = (
        knowing("Qwen2ForCausalLM", "GPT2LMHeadModel", "GemmaForCausalLM"),
        knowing("GPT2LMHeadModel", "GemmaForCausalLM", "OPTForCausalLM"),
    )
    assert [each.name for each in known_to_all(tools)] == ["GemmaForCausalLM", "GPT2LMHeadModel"]


def test_a_class_with_several_types_has_that_of_text_alone() -> None:
    (gemma,) = known_to_all([knowing("Gemma3ForCausalLM")])
    assert gemma == Architecture(name="Gemma3ForCausalLM", model_type="gemma3_text")
    (sees,) = known_to_all([knowing("Qwen2_5_VLForConditionalGeneration")])
    assert sees.model_type == "qwen2_5_vl"
