import json
from pathlib import Path

import pytest

from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.evaluation.transformers_reading import (
    TransformersReading,
    may_read_otherwise,
)


@pytest.mark.parametrize(
    ("tokenizer", "model", "asks"),
    [
        ({}, {}, False),
        ({"tokenizer_class": "PreTrainedTokenizerFast"}, {"tokenizer_class": "X"}, False),
        ({"tokenizer_class": "TokenizersBackend"}, {}, False),
        ({"tokenizer_class": "LlamaTokenizerFast"}, {}, True),
        ({}, {"tokenizer_class": "GPT2Tokenizer"}, True),
        ({"fix_mistral_regex": True}, {}, True),
        ({"fast_tokenizer_files": ["tokenizer.4.0.0.json"]}, {}, True),
    ],
)
def test_transformers_is_asked_where_a_checkpoint_names_more_than_its_tokenizer_json(
    tmp_path: Path, tokenizer: JsonObject, model: JsonObject, asks: bool
) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (tmp_path / "config.json").write_text(json.dumps(model))
    assert may_read_otherwise(tmp_path) is asks


def test_the_note_says_how_many_prompts_are_read_otherwise_and_what_decides() -> None:
    reading = TransformersReading(tokenizer_class="GPT2Tokenizer", compared=60, mismatched=("7",))
    assert reading.note is not None
    assert "GPT2Tokenizer builds steps anew and reads 1 of 60 prompts otherwise" in reading.note
    assert "tokenizer.json is used" in reading.note
    alike = TransformersReading(tokenizer_class="GPT2Tokenizer", compared=60, mismatched=())
    assert alike.note is None
