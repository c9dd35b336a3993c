"""Every row of the pre-tokenizer table gives the very token ids of the base, and a wrong one is noticed."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.engines.llamacpp.build_messages import ConvertFacts
from quantgate.pipelines.engines.llamacpp.pretypes import LLAMA3_REGEX, PRE_TYPES, QWEN2_REGEX
from quantgate.pipelines.files.sealed import read_manifest
from tests.support.llamacpp.checkpoints import (
    NASTY_TEXTS,
    Sizes,
    byte_level_tokenizer,
    f16,
    probe,
    random_checkpoint,
    ruled_tokenizer,
)

pytestmark = pytest.mark.integration

TOKENIZERS = {
    "gpt-2": lambda: byte_level_tokenizer(),
    "llama-bpe": lambda: byte_level_tokenizer(regex=LLAMA3_REGEX, ignore_merges=True),
    "smaug-bpe": lambda: byte_level_tokenizer(regex=LLAMA3_REGEX),
    "qwen2": lambda: byte_level_tokenizer(regex=QWEN2_REGEX),
    "smollm": lambda: byte_level_tokenizer(digits=True),
}
FURTHER = tuple(row.name for row in PRE_TYPES if row.name not in TOKENIZERS)
TINY = Sizes(hidden=32, feed_forward=32, layers=1)


def test_no_row_of_the_table_goes_without_proof() -> None:
    assert {row.name for row in PRE_TYPES} == {*TOKENIZERS, *FURTHER}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_custom_vocabulary_is_converted_with_equal_token_ids(name: str, tmp_path: Path) -> None:
    _is_converted(TOKENIZERS[name](), name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", FURTHER)
def test_further_rules_give_equal_token_ids(name: str, tmp_path: Path) -> None:
    _is_converted(ruled_tokenizer(name), name, tmp_path)


def _is_converted(tokenizer: Tokenizer, name: str, tmp_path: Path) -> None:
    model = f16(random_checkpoint(tmp_path / name, TINY, tokenizer))
    facts = read_manifest(model.parent, ConvertFacts).record
    assert (facts.pre_tokenizer, facts.pre_tokenizer_source) == (name, "table")
    report = probe(model, tokenizer, NASTY_TEXTS, tmp_path)
    assert report.loads, report.detail
    assert report.mismatched_texts == ()


def test_a_wrong_pre_tokenizer_is_found_by_comparing_token_ids(tmp_path: Path) -> None:
    """Text round-trips perfectly all the same, so nothing else would notice."""
    tokenizer = byte_level_tokenizer(regex=QWEN2_REGEX)
    content = f16(random_checkpoint(tmp_path / "base", TINY, tokenizer)).read_bytes()
    wrong = tmp_path / "wrong.gguf"
    assert content.count(b"qwen2") == 1
    wrong.write_bytes(content.replace(b"qwen2", b"gpt-2"))
    report = probe(wrong, tokenizer, NASTY_TEXTS, tmp_path)
    assert report.loads
    assert report.compared_texts == len(NASTY_TEXTS)
    assert len(report.mismatched_texts) >= 3


def test_rules_that_llama_cpp_does_not_have_are_refused_by_name(tmp_path: Path) -> None:
    tokenizer: Tokenizer = byte_level_tokenizer(regex=r"\p{L}+|\p{N}{1,2}|[^\p{L}\p{N}]+")
    base = random_checkpoint(tmp_path / "base", TINY, tokenizer)
    with pytest.raises(CheckpointError, match="how this tokenizer cuts text") as refusal:
        f16(base)
    assert "qwen2" in str(refusal.value)
