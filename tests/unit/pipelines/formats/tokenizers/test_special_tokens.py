import json
from pathlib import Path

from quantgate.pipelines.formats.tokenizers.checkpoint import read_tokenizer
from quantgate.pipelines.formats.tokenizers.special_tokens import read_token_names
from tests.support.fakes import write_tokenizer


def write(folder: Path, name: str, content: object) -> None:
    (folder / name).write_text(json.dumps(content))


def test_all_seven_roles_and_a_models_own_are_named(tmp_path: Path) -> None:
    roles = dict.fromkeys(("sep_token", "cls_token", "mask_token", "image_token"), "<x>")
    write(tmp_path, "tokenizer_config.json", {**roles, "add_bos_token": True, "pad_token": None})
    assert read_token_names(tmp_path).texts == roles


def test_tokens_named_in_the_old_map_alone_are_found(tmp_path: Path) -> None:
    write(tmp_path, "special_tokens_map.json", {"bos_token": {"content": "<s>", "lstrip": False}})
    assert read_token_names(tmp_path).texts == {"bos_token": "<s>"}


def test_the_old_map_wins_over_the_configuration(tmp_path: Path) -> None:
    write(tmp_path, "tokenizer_config.json", {"bos_token": "<a>"})
    write(tmp_path, "special_tokens_map.json", {"bos_token": "<b>"})
    assert read_token_names(tmp_path).texts == {"bos_token": "<b>"}


def test_a_configuration_that_lists_added_tokens_is_complete_without_the_old_map(
    tmp_path: Path,
) -> None:
    write(tmp_path, "tokenizer_config.json", {"added_tokens_decoder": {}, "bos_token": "<a>"})
    write(tmp_path, "special_tokens_map.json", {"bos_token": "<b>", "sep_token": "<c>"})
    assert read_token_names(tmp_path).texts == {"bos_token": "<a>"}


def test_extra_tokens_with_names_are_roles(tmp_path: Path) -> None:
    write(tmp_path, "tokenizer_config.json", {"extra_special_tokens": {"boi_token": "<boi>"}})
    assert read_token_names(tmp_path).texts == {"boi_token": "<boi>"}


def test_tokens_that_only_the_configuration_knows_are_single_ids(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    write(tmp_path, "tokenizer_config.json", {"additional_special_tokens": ["<think>"]})
    tokenizer = read_tokenizer(tmp_path).tokenizer
    assert len(tokenizer.encode("<think>").ids) == 1


def test_texts_of_special_tokens_stay_text_where_the_configuration_splits_them(
    tmp_path: Path,
) -> None:
    write_tokenizer(tmp_path)
    assert len(read_tokenizer(tmp_path).tokenizer.encode("</s>").ids) == 1
    write(tmp_path, "tokenizer_config.json", {"split_special_tokens": True})
    assert len(read_tokenizer(tmp_path).tokenizer.encode("</s>").ids) == 4


def test_truncation_and_padding_left_by_training_are_switched_off_and_said(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["truncation"] = {
        "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0,
    }  # fmt: skip
    content["padding"] = {
        "strategy": {"Fixed": 8}, "direction": "Left", "pad_to_multiple_of": None, "pad_id": 0,
        "pad_type_id": 0, "pad_token": "</s>",
    }  # fmt: skip
    write(tmp_path, "tokenizer.json", content)
    read = read_tokenizer(tmp_path)
    assert len(read.tokenizer.encode("abc").ids) == 3
    assert len(read.tokenizer.encode("abcdefgh").ids) == 8
    assert read.names.texts["pad_token"] == "</s>"
    assert [note.partition(",")[0] for note in read.notes] == [
        "tokenizer.json says to cut texts to 4 tokens",
        "tokenizer.json says to fill texts to 8 tokens with padding",
    ]
