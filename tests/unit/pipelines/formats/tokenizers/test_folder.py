"""What a checkpoint folder says about its tokenizer: template, special tokens, their ids."""

import json
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.formats.tokenizers.folder import (
    chat_template_text,
    special_token_ids,
    special_tokens,
)


def _write(folder: Path, name: str, content: object) -> None:
    (folder / name).write_text(json.dumps(content))


def test_the_template_file_wins_over_the_configuration(tmp_path: Path) -> None:
    _write(tmp_path, "tokenizer_config.json", {"chat_template": "old"})
    assert chat_template_text(tmp_path) == "old"
    (tmp_path / "chat_template.jinja").write_text("new")
    assert chat_template_text(tmp_path) == "new"


def test_of_named_templates_the_default_is_taken(tmp_path: Path) -> None:
    named = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]
    _write(tmp_path, "tokenizer_config.json", {"chat_template": named})
    assert chat_template_text(tmp_path) == "d"


def test_named_templates_without_a_default_are_not_guessed_at(tmp_path: Path) -> None:
    named = [{"name": "tool_use", "template": "t"}]
    _write(tmp_path, "tokenizer_config.json", {"chat_template": named})
    with pytest.raises(CheckpointError, match="none is called 'default'"):
        chat_template_text(tmp_path)


def test_no_template_is_an_empty_one(tmp_path: Path) -> None:
    assert chat_template_text(tmp_path) == ""


def test_special_tokens_are_read_as_text_or_as_objects(tmp_path: Path) -> None:
    config = {
        "bos_token": "<s>",
        "eos_token": {"content": "</s>", "lstrip": False},
        "pad_token": None,
    }
    _write(tmp_path, "tokenizer_config.json", config)
    assert special_tokens(tmp_path) == {"bos_token": "<s>", "eos_token": "</s>"}


def test_generation_ids_win_over_the_configurations(tmp_path: Path) -> None:
    _write(tmp_path, "config.json", {"bos_token_id": 1, "eos_token_id": 2})
    _write(tmp_path, "generation_config.json", {"eos_token_id": [2, 7]})
    ids = special_token_ids(tmp_path)
    assert (ids.beginning, ids.end) == ((1,), (2, 7))


def test_ids_that_nothing_names_are_looked_up_by_the_tokens_text(tmp_path: Path) -> None:
    _write(tmp_path, "config.json", {"eos_token_id": None})
    _write(tmp_path, "tokenizer_config.json", {"eos_token": "</s>", "bos_token": "<s>"})
    _write(tmp_path, "tokenizer.json", {"added_tokens": [{"id": 5, "content": "</s>"}]})
    ids = special_token_ids(tmp_path)
    assert (ids.beginning, ids.end) == ((), (5,))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(CheckpointError, match="is UTF-16 text"):
        chat_template_text(tmp_path)
