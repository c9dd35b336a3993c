"""llm-compressor's own tables of mappings, read from its source as data."""

import subprocess
import sys

from quantgate.pipelines.engines.llmcompressor.smoothing.tables import (
    Smoothing,
    SmoothingMapping,
    smoothing_table,
)


def test_mappings_are_read_for_architectures_that_are_named() -> None:
    awq, smoothquant = map(smoothing_table, (Smoothing.AWQ, Smoothing.SMOOTHQUANT))
    assert awq.named["LlamaForCausalLM"] == awq.usual
    assert SmoothingMapping(smoothed="re:.*v_proj$", balanced=("re:.*o_proj$",)) in awq.usual
    router = "re:.*mlp.gate$"
    assert any(router in mapping.balanced for mapping in awq.named["Qwen3MoeForCausalLM"])
    (attention,) = smoothquant.named["MixtralForCausalLM"]
    assert attention.smoothed == "re:.*input_layernorm"


def test_names_that_stand_for_other_names_are_followed() -> None:
    table = smoothing_table(Smoothing.AWQ)
    assert table.named["GlmMoeDsaForCausalLM"] == table.named["Glm4MoeLiteForCausalLM"]


def test_what_is_made_of_the_model_is_told_apart() -> None:
    assert "Qwen3NextForCausalLM" in smoothing_table(Smoothing.AWQ).made_of_the_model
    assert "Qwen3_5MoeForCausalLM" in smoothing_table(Smoothing.SMOOTHQUANT).made_of_the_model


def test_reading_imports_nothing_that_computes() -> None:
    module = smoothing_table.__module__
    program = (
        f"import sys; from {module} import Smoothing, smoothing_table; smoothing_table(Smoothing.AWQ); "
        "sys.exit('llmcompressor' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
