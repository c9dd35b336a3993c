"""What transformers has is read from its source: names of classes, defaults, and own words for sizes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.formats.configuration.literals import literal_table, scalar
from quantgate.pipelines.formats.configuration.transformers_source import (
    auto_class,
    config_class,
    transformers_architectures,
)
from tests.support.project import PROJECT


def test_language_models_are_there_alone_and_as_part_of_what_sees_and_nothing_else() -> None:
    architectures = transformers_architectures()
    assert architectures is not None
    assert {"GPT2LMHeadModel", "MambaForCausalLM", "Qwen3MoeForCausalLM"} <= architectures.names
    assert "Qwen2_5_VLForConditionalGeneration" in architectures.names
    assert not {"BertForMaskedLM", "WhisperForConditionalGeneration"} & architectures.names
    refusal = architectures.refusal("InternLM2ForCausalLM")
    assert refusal is not None
    assert refusal.why.startswith("transformers 5.")
    assert refusal.why.endswith(" has no InternLM2ForCausalLM")
    assert architectures.refusal("LlamaForCausalLM") is None


def test_neither_transformers_nor_torch_is_imported_for_it() -> None:
    code = (
        "import sys;"
        "from quantgate.pipelines.formats.configuration import transformers_source as source;"
        "assert source.config_class('gpt2') and source.transformers_architectures();"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)


def test_defaults_are_read_where_a_release_leaves_them_out() -> None:
    """Gemma 3 is published with seven keys of its language model."""
    described = config_class("gemma3_text")
    assert described is not None
    assert described.defaults["vocab_size"] == 262_208
    assert described.defaults["num_attention_heads"] == 8


def test_a_default_that_is_spelled_as_a_product_is_read() -> None:
    described = config_class("mistral")
    assert described is not None
    assert described.defaults["max_position_embeddings"] == 4096 * 32


def test_words_of_a_class_for_common_sizes_are_read() -> None:
    described = config_class("gpt2")
    assert described is not None
    assert described.own_names["hidden_size"] == "n_embd"


@pytest.mark.parametrize(
    ("model_type", "architecture", "loaded_by"),
    [
        ("llama", "LlamaForCausalLM", "AutoModelForCausalLM"),
        ("gemma3", "Gemma3ForConditionalGeneration", "AutoModelForCausalLM"),
        ("llama4", "Llama4ForCausalLM", "AutoModelForCausalLM"),
        ("llama4", "Llama4ForConditionalGeneration", "AutoModelForImageTextToText"),
        ("qwen2_5_vl", "Qwen2_5_VLForConditionalGeneration", "AutoModelForImageTextToText"),
        ("internlm2", "InternLM2ForCausalLM", "AutoModelForCausalLM"),
    ],
)
def test_a_checkpoint_is_loaded_with_all_of_its_parts(
    model_type: str, architecture: str, loaded_by: str
) -> None:
    config: JsonObject = {"model_type": model_type, "architectures": [architecture]}
    assert auto_class(config) == loaded_by


def test_a_model_type_that_transformers_lacks_has_no_class() -> None:
    assert config_class("internlm2") is None


@pytest.mark.parametrize(
    ("source", "table"),
    [
        ("T = {'a': 'b', 'c': 1}", {"a": "b"}),
        ("T: dict[str, str] = {'a': 'b'}", {"a": "b"}),
        ("T = OrderedDict([('a', 'b'), *more, ('c', call())])", {"a": "b"}),
    ],
)
def test_rows_that_are_no_pair_of_texts_are_passed_over(
    source: str, table: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "module.py"
    file.write_text(source)
    assert literal_table(file, "T") == table


def test_a_table_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text("U = {}")
    with pytest.raises(LookupError, match="assigns nothing to T"):
        literal_table(file, "T")


@pytest.mark.parametrize(("text", "value"), [("-1", -1), ("2**4", 16), ("4096 * 32", 131072)])
def test_numbers_are_read_as_they_are_spelled(text: str, value: int) -> None:
    assert scalar(ast.parse(text, mode="eval").body) == value


@pytest.mark.parametrize("text", ["call()", "9**9**9", "[1]", "-'a'"])
def test_what_is_no_number_or_text_is_not_evaluated(text: str) -> None:
    with pytest.raises(ValueError, match="is no literal"):
        scalar(ast.parse(text, mode="eval").body)
