"""A tokenizer of a GGUF file's own keys: how it cuts text, what it parses, what it refuses."""

import json
from pathlib import Path

import pytest
from tokenizers import pre_tokenizers

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.llamacpp.pretypes import PRE_TYPES, match_pretype, rules_of
from quantgate.pipelines.engines.llamacpp.unpacking.tokenizer import write_tokenizer
from quantgate.pipelines.engines.llamacpp.unpacking.vocabulary import read_vocabulary
from quantgate.pipelines.formats.tokenizers.chat_templates import read_chat_templates
from quantgate.pipelines.formats.tokenizers.checkpoint import read_tokenizer
from quantgate.pipelines.formats.tokenizers.folder import special_token_ids, special_tokens

_ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
_MERGES = ["t h", "th e", "1 2", "Ġ the"]
_BYTE_LEVEL: JsonObject = {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.tokens": ["<|end|>", "<tool>", *_ALPHABET, "th", "the", "12", "Ġth", "Ġthe", "[PAD263]"],
    "tokenizer.ggml.token_type": [3, 4, *[1] * 261, 5],
    "tokenizer.ggml.merges": list(_MERGES),
    "tokenizer.ggml.eos_token_id": 0,
    "tokenizer.chat_template": "{{ messages[0].content }}",
    "tokenizer.chat_template.tool_use": "{{ tools }}",
}  # fmt: skip
_PIECES: JsonObject = {
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "<0x0A>", "▁", "a", "b", "▁a", "ab", "▁ab"],
    "tokenizer.ggml.token_type": [2, 3, 3, 6, 1, 1, 1, 1, 1, 1],
    "tokenizer.ggml.scores": [0.0, 0.0, 0.0, 0.0, -9.0, -9.0, -9.0, -2.0, -1.0, -3.0],
}


def written(folder: Path, keys: JsonObject, **changes: object) -> Path:
    folder.mkdir()
    metadata = {**keys, **{f"tokenizer.ggml.{key}": value for key, value in changes.items()}}
    write_tokenizer(read_vocabulary(metadata, "model.gguf"), folder, context_tokens=64)  # type: ignore[arg-type]  # JSON values
    return folder


def texts_of(folder: Path, text: str) -> list[str]:
    return read_tokenizer(folder).tokenizer.encode(text, add_special_tokens=False).tokens


def test_digits_are_cut_apart_where_the_file_says_so(tmp_path: Path) -> None:
    assert texts_of(written(tmp_path / "a", _BYTE_LEVEL), "the 12") == ["the", "Ġ", "1", "2"]
    together = written(tmp_path / "b", _BYTE_LEVEL, pre="gpt-2")
    assert texts_of(together, "12 the") == ["12", "Ġthe"]


def test_control_and_user_tokens_are_parsed_and_only_control_is_special(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", _BYTE_LEVEL)
    assert texts_of(folder, "<tool>the<|end|>") == ["<tool>", "the", "<|end|>"]
    added = json.loads((folder / "tokenizer.json").read_bytes())["added_tokens"]
    assert {token["content"]: token["special"] for token in added} == {
        "<|end|>": True,
        "<tool>": False,
    }


def test_what_fills_the_vocabulary_up_is_no_token(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", _BYTE_LEVEL)
    assert read_tokenizer(folder).tokenizer.token_to_id("[PAD263]") is None
    assert read_tokenizer(folder).tokenizer.get_vocab_size() == 263


def test_ends_and_templates_are_the_file_s(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", _BYTE_LEVEL, eot_token_id=1)
    assert special_token_ids(folder).end == (0, 1)
    assert special_tokens(folder)["eos_token"] == "<|end|>"
    assert read_chat_templates(folder).named == {
        "default": "{{ messages[0].content }}",
        "tool_use": "{{ tools }}",
    }


def test_merges_without_tokens_are_left_out(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", _BYTE_LEVEL, merges=[*_MERGES, "q q", "the Ġthe"])
    assert texts_of(folder, "the") == ["the"]


def test_rules_that_have_no_equal_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"tokenizer\.ggml\.pre is 'superbpe'") as refusal:
        written(tmp_path / "a", _BYTE_LEVEL, pre="superbpe")
    assert "smollm" in str(refusal.value.next_step)


def test_a_missing_pre_type_is_llama_cpp_s_default(tmp_path: Path) -> None:
    without = {key: value for key, value in _BYTE_LEVEL.items() if key != "tokenizer.ggml.pre"}
    assert texts_of(written(tmp_path / "a", without), "the, 3312") == [
        "the", ",", "Ġ", "3", "3", "1", "2",
    ]  # fmt: skip


@pytest.mark.parametrize("row", PRE_TYPES, ids=lambda row: row.name)
def test_written_rules_are_recognised_again(tmp_path: Path, row: object) -> None:
    name = row.name  # type: ignore[attr-defined]  # a row of the table
    folder = written(tmp_path / "a", _BYTE_LEVEL, pre=name)
    assert match_pretype(json.loads((folder / "tokenizer.json").read_bytes())) == name


def test_names_for_the_same_rules_lead_to_one_row() -> None:
    assert rules_of("llama3") is rules_of("llama-bpe")
    assert rules_of("no such rules") is None
    names = [name for row in PRE_TYPES for name in (row.name, *row.aliases)]
    assert len(set(names)) == len(names)


def test_pieces_are_merged_by_their_scores_and_texts_begin_with_a_space(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", _PIECES)
    assert texts_of(folder, "ab") == ["▁ab"]
    assert texts_of(folder, "a\n<s>a") == ["▁a", "<0x0A>", "<s>", "▁a"]
    plain = written(tmp_path / "b", _PIECES, add_space_prefix=False)
    assert texts_of(plain, "ab b") == ["ab", "▁", "b"]


def test_sentencepiece_begins_texts_where_nothing_else_is_said(tmp_path: Path) -> None:
    encoded = read_tokenizer(written(tmp_path / "a", _PIECES)).tokenizer.encode("a")
    assert encoded.tokens == ["<s>", "▁a"]
    without = written(tmp_path / "b", _PIECES, add_bos_token=False, add_eos_token=True)
    assert read_tokenizer(without).tokenizer.encode("a").tokens == ["▁a", "</s>"]


def test_a_tokenizer_model_holds_every_piece_with_its_score(tmp_path: Path) -> None:
    content = (written(tmp_path / "a", _PIECES) / "tokenizer.model").read_bytes()
    assert content.startswith(b"\x0a\x0e\x0a\x05<unk>\x15\x00\x00\x00\x00\x18\x02")
    assert b"\x0a\x04\xe2\x96\x81a\x15\x00\x00\x00\xc0\x18\x01" in content


def test_phi3_strips_spaces_behind_special_tokens(tmp_path: Path) -> None:
    named = {**_BYTE_LEVEL, "general.name": "Phi-3 mini"}
    tokenizer = read_tokenizer(written(tmp_path / "a", named)).tokenizer
    assert tokenizer.encode("<|end|> the").ids == [0, tokenizer.token_to_id("the")]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"model": "bert"}, "of the kind 'bert'"),
        ({"model": None}, "holds no tokenizer"),
        ({"tokens": []}, "lists no tokens"),
        ({"tokens": ["a", "b", "a"]}, "lists the token 'a' twice"),
        ({"token_type": [1]}, "not as many tokenizer.ggml.token_type"),
        ({"merges": None}, "lists no merges"),
    ],
)
def test_a_vocabulary_that_contradicts_itself_is_refused(
    tmp_path: Path, changes: JsonObject, what: str
) -> None:
    with pytest.raises(CheckpointError, match=what):
        written(tmp_path / "a", _BYTE_LEVEL, **changes)


def test_ids_outside_the_vocabulary_count_as_not_given(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", _BYTE_LEVEL, bos_token_id=10_000)
    assert "bos_token" not in special_tokens(folder)
