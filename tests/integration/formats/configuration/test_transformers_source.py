"""What is read from transformers' source is what its classes say once they are imported."""

import pytest
from transformers import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

from quantgate.pipelines.formats.configuration.language_config import with_common_names
from quantgate.pipelines.formats.configuration.transformers_source import transformers_architectures

pytestmark = pytest.mark.integration

SIZES = (
    "hidden_size",
    "vocab_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
)
WORKED_OUT = {
    "blenderbot", "hrm_text", "jetmoe", "nemotron_h", "prophetnet", "recurrent_gemma", "reformer", "xlnet",
}  # fmt: skip
"""Types whose class works a size out of others as it is made."""

OF_PARTS = {"got_ocr2", "musicgen", "musicgen_melody"}
"""Types made of others, which have no defaults or others than those."""


def test_every_language_model_is_listed_and_no_other() -> None:
    architectures = transformers_architectures()
    assert architectures is not None
    assert architectures.names == {
        *MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values(),
        *MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.values(),
    }


def test_sizes_that_a_release_leaves_out_are_those_that_its_class_fills_in() -> None:
    wrong, compared = [], 0
    for model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.keys() - OF_PARTS:
        config = CONFIG_MAPPING[model_type]().get_text_config(decoder=True)
        described = with_common_names({"model_type": config.model_type})
        for size in SIZES:
            value = getattr(config, size, None)
            if not isinstance(value, int) or config.model_type in WORKED_OUT:
                continue
            compared += 1
            if described.get(size) != value:
                wrong.append((model_type, size, value, described.get(size)))
    assert wrong == []
    assert compared > 700
