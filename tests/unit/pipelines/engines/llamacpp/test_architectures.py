"""Which language models the converter has stands in its own table, which is read and not run."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.engines.llamacpp.architectures import TABLE_FILE, converter_architectures
from quantgate.pipelines.engines.llamacpp.conversion import Converter

TABLE = """
raise RuntimeError("nobody runs this")
TEXT_MODEL_MAP: dict[str, str] = {
    "LlamaForCausalLM": "llama",
    "GPT2LMHeadModel": "gpt2",
    "Gemma3ForConditionalGeneration": "gemma",
    "BertModel": "bert",
    "T5ForConditionalGeneration": "t5",
    "Eagle3DraftModel": "llama",
}
MMPROJ_MODEL_MAP: dict[str, str] = {"LlavaForConditionalGeneration": "llava"}
"""


def converter(folder: Path, table: str = TABLE) -> Path:
    file = folder / "llama-cpp-python-0.3.36" / "converter" / TABLE_FILE
    file.parent.mkdir(parents=True)
    file.write_text(table)
    return file.parents[1]


def test_models_that_answer_are_there_and_encoders_drafts_and_projectors_are_not(
    tmp_path: Path,
) -> None:
    architectures = converter_architectures(converter(tmp_path), "llama-cpp-python-0.3.36")
    assert architectures.names == {
        "LlamaForCausalLM",
        "GPT2LMHeadModel",
        "Gemma3ForConditionalGeneration",
    }
    refusal = architectures.refusal("T5ForConditionalGeneration")
    assert refusal is not None
    assert refusal.why == (
        "llama.cpp's converter (llama-cpp-python-0.3.36) has no T5ForConditionalGeneration"
    )


def test_a_table_that_is_elsewhere_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="does not list its models where it used to") as error:
        converter_architectures(converter(tmp_path, "MODELS = {}"), "of tomorrow")
    assert error.value.next_step is not None
    assert "make setup" in error.value.next_step


def test_without_the_scripts_nothing_is_asked(tmp_path: Path) -> None:
    assert Converter(tmp_path).architectures() is None
