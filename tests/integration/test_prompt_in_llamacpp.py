"""What a checkpoint's tokenizer files say reaches llama.cpp as transformers reads them."""

import json
from pathlib import Path

import pytest

from pipelines.files.gguf_header import read_gguf_header
from pipelines.files.own_tokenizer import own_tokenizer
from pipelines.process.calls import ignore_progress
from pipelines.process.runner import run_worker
from tests.integration.llamacpp_checkpoints import (
    NASTY_TEXTS,
    backend,
    byte_level_tokenizer,
    probe,
    random_checkpoint,
)

pytestmark = pytest.mark.integration


def test_leftovers_cut_nothing_and_the_template_files_win(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer()
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=64)
    checkpoint = random_checkpoint(tmp_path / "base", tokenizer=tokenizer)
    (checkpoint.folder / "chat_template.jinja").write_text("file {{ messages[0].content }}")
    (checkpoint.folder / "additional_chat_templates").mkdir()
    tools = checkpoint.folder / "additional_chat_templates" / "tool_use.jinja"
    tools.write_text("tools {{ tools | tojson }}")

    model = backend().convert(checkpoint, tmp_path / "scratch", run_worker, ignore_progress)

    report = probe(model, own_tokenizer(checkpoint.folder).tokenizer, NASTY_TEXTS, tmp_path)
    assert (report.mismatched_texts, report.compared_texts) == ((), len(NASTY_TEXTS))
    assert report.chat_template == "file {{ messages[0].content }}"
    metadata = read_gguf_header(model).metadata
    assert metadata["tokenizer.chat_template.tool_use"] == tools.read_text()
    written = json.loads((checkpoint.folder / "tokenizer_config.json").read_text())
    assert written["chat_template"] == "{{ messages[0]['content'] }}"
