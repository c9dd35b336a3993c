import json
from pathlib import Path

import pytest

from quantgate.pipelines.checkpoints.digests import checkpoint_digests
from quantgate.pipelines.files.hashing import file_digest
from tests.support.fakes import write_tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tokenizer(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_a_special_token_that_only_the_old_map_names_is_part_of_the_tokenizer(folder: Path) -> None:
    before = checkpoint_digests(folder, file_digest)
    (folder / "special_tokens_map.json").write_text(json.dumps({"eos_token": "</s>"}))
    assert checkpoint_digests(folder, file_digest) == before  # tokenizer_config.json says so too
    (folder / "special_tokens_map.json").write_text(json.dumps({"bos_token": "</s>"}))
    assert checkpoint_digests(folder, file_digest).tokenizer != before.tokenizer


def test_tokens_added_in_a_file_of_their_own_are_part_of_the_tokenizer(folder: Path) -> None:
    before = checkpoint_digests(folder, file_digest)
    (folder / "added_tokens.json").write_text(json.dumps({"<think>": 257}))
    assert checkpoint_digests(folder, file_digest).tokenizer != before.tokenizer


def test_a_template_for_tools_is_part_of_the_template(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("d")
    before = checkpoint_digests(folder, file_digest)
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool_use.jinja").write_text("t")
    assert checkpoint_digests(folder, file_digest).chat_template != before.chat_template
