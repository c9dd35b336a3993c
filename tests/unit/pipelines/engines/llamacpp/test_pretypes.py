"""The reviewed table of pre-tokenizers: what it recognises, and what it must not."""

from collections.abc import Mapping

import pytest

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.llamacpp.pretypes import LLAMA3_REGEX, QWEN2_REGEX, match_pretype


def byte_level(use_regex: bool) -> JsonObject:
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def split(regex: str, behavior: str = "Isolated", invert: bool = False) -> JsonObject:
    steps: list[JsonValue] = [
        {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert},
        byte_level(use_regex=False),
    ]
    return {"type": "Sequence", "pretokenizers": steps}


def tokenizer(
    pre_tokenizer: JsonValue, *, normalizer: JsonValue = None, **model: JsonValue
) -> Mapping[str, JsonValue]:
    return {
        "model": {"type": "BPE", "ignore_merges": False, **model},
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
    }


def test_byte_level_with_its_own_regex_is_gpt_2() -> None:
    assert match_pretype(tokenizer(byte_level(use_regex=True))) == "gpt-2"


def test_a_missing_use_regex_means_true_as_in_old_files() -> None:
    step = byte_level(use_regex=True)
    del step["use_regex"]
    assert match_pretype(tokenizer(step)) == "gpt-2"


def test_a_sequence_of_one_step_is_that_step() -> None:
    only: JsonObject = {"type": "Sequence", "pretokenizers": [byte_level(use_regex=True)]}
    assert match_pretype(tokenizer(only)) == "gpt-2"


@pytest.mark.parametrize(("ignore_merges", "name"), [(True, "llama-bpe"), (False, "smaug-bpe")])
def test_the_llama_3_regex_is_told_apart_by_ignoring_merges(ignore_merges: bool, name: str) -> None:
    rules = tokenizer(split(LLAMA3_REGEX), ignore_merges=ignore_merges)
    assert match_pretype(rules) == name


def test_the_qwen_2_regex_with_nfc_is_qwen2() -> None:
    rules = tokenizer(split(QWEN2_REGEX), normalizer={"type": "NFC"})
    assert match_pretype(rules) == "qwen2"


def test_keeping_only_matches_is_the_same_as_isolating_them() -> None:
    assert match_pretype(tokenizer(split(QWEN2_REGEX, "Removed", True))) == "qwen2"


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(
            tokenizer(split(QWEN2_REGEX.replace(r"\p{N}", r"\p{N}+"))), id="one-regex-off"
        ),
        pytest.param(tokenizer(split(QWEN2_REGEX, "MergedWithPrevious")), id="other-behaviour"),
        pytest.param(tokenizer(split(QWEN2_REGEX), ignore_merges=True), id="other-merging"),
        pytest.param(
            tokenizer({**byte_level(use_regex=True), "add_prefix_space": True}), id="prefix-space"
        ),
        pytest.param(
            tokenizer(byte_level(use_regex=True), normalizer={"type": "Lowercase"}), id="lowercased"
        ),
        pytest.param(tokenizer(byte_level(use_regex=True), byte_fallback=True), id="byte-fallback"),
        pytest.param(tokenizer(byte_level(use_regex=True), type="WordPiece"), id="word-piece"),
        pytest.param(
            tokenizer(byte_level(use_regex=True), end_of_word_suffix="</w>"), id="word-suffix"
        ),
        pytest.param(tokenizer({"type": "Whitespace"}), id="whitespace"),
        pytest.param(tokenizer(None), id="no-pre-tokenizer"),
        pytest.param({}, id="empty-file"),
    ],
)
def test_rules_that_differ_in_anything_that_cuts_text_are_not_matched(
    rules: Mapping[str, JsonValue],
) -> None:
    assert match_pretype(rules) is None
