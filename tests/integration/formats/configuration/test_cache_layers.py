"""What is foretold of keys and values, held against the caches that transformers fills."""

import pytest
import torch
import transformers

from quantgate.pipelines.domain.architectures import TRANSFORMERS
from quantgate.pipelines.formats.configuration.cache_layers import cache_layers
from quantgate.pipelines.formats.configuration.language_config import with_common_names
from tests.support.architectures.configs import small_config
from tests.support.architectures.names import Architecture

pytestmark = pytest.mark.integration

TOKENS = 64
LATENT = {
    "axk1": "AXK1ForCausalLM",
    "axk2": "AXK2ForCausalLM",
    "deepseek_v2": "DeepseekV2ForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
    "deepseek_v32": "DeepseekV32ForCausalLM",
    "glm4_moe_lite": "Glm4MoeLiteForCausalLM",
    "glm5_next": "Glm5NextForConditionalGeneration",
    "glm_moe_dsa": "GlmMoeDsaForCausalLM",
    "hy_v4": "HYV4ForCausalLM",
    "kimi_linear": "KimiLinearForCausalLM",
    "minicpm3": "MiniCPM3ForCausalLM",
    "youtu": "YoutuForCausalLM",
}
"""Every class of transformers 5.17 with a latent of which a small random one computes."""


@pytest.mark.parametrize("model_type", LATENT)
def test_what_a_cache_holds_of_a_token_is_foretold(model_type: str) -> None:
    config = small_config(Architecture(name=LATENT[model_type], model_type=model_type))
    model = getattr(transformers, LATENT[model_type])(config).to(torch.bfloat16)
    with torch.no_grad():
        cache = model(input_ids=torch.arange(1, TOKENS + 1)[None], use_cache=True).past_key_values
    held = [
        tensor.numel() / TOKENS
        for layer in cache.layers
        for name in ("keys", "values", "indexer_keys")
        if (tensor := getattr(layer, name, None)) is not None
    ]
    text = with_common_names(config.get_text_config().to_dict())
    foretold = sum(layer.values for layer in cache_layers(text, TRANSFORMERS))
    assert foretold == sum(held) > 0
