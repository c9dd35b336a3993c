"""JSON files of checkpoints in encodings that nothing reads are refused alike, with what to do."""

import codecs
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.files.json_files import read_json_object, read_text
from quantgate.pipelines.formats.tokenizers.checkpoint import read_tokenizer

TEXT = '{"model_type": "llama", "name": "värde"}'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "is UTF-16 text"),
        (TEXT.encode("utf-16-be"), "is UTF-16 text"),
        (codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"), "is UTF-32 text"),
        (TEXT.encode("latin-1"), "is not UTF-8 text (line 1, byte "),
        (codecs.BOM_UTF8 + TEXT.encode(), "begins with a byte-order mark"),
    ],
)
def test_a_file_in_another_encoding_says_so_and_how_to_save_it(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read_json_object(file)
    assert caught.value.what.startswith(problem)
    assert caught.value.where == str(file)
    assert "save it as UTF-8" in str(caught.value.next_step)


@pytest.mark.parametrize("text", ["[1]", "", '{"a": 1', '{"a": NaN}'])
def test_what_is_no_object_says_what_to_do(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(text)
    with pytest.raises(CheckpointError) as caught:
        read_json_object(file)
    assert str(caught.value.next_step).startswith("mend it, or take it again")


def test_a_chat_template_keeps_its_mark_as_other_readers_do(tmp_path: Path) -> None:
    file = tmp_path / "chat_template.jinja"
    file.write_bytes(codecs.BOM_UTF8 + b"{{ x }}\r\n")
    assert read_text(file) == "\ufeff{{ x }}\n"


def test_a_tokenizer_is_told_as_any_other_file(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(TEXT.encode("utf-16"))
    with pytest.raises(CheckpointError, match="is UTF-16 text"):
        read_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text(TEXT)
    with pytest.raises(CheckpointError, match="the tokenizer cannot be read"):
        read_tokenizer(tmp_path)
