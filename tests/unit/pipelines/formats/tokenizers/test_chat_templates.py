import json
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.formats.tokenizers.chat_templates import (
    read_chat_templates,
    template_notes,
)
from quantgate.pipelines.formats.tokenizers.folder import copy_tokenizer


def write(folder: Path, **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def add(folder: Path, name: str, template: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(template)


def test_a_conversation_with_tools_gets_the_template_made_for_them(tmp_path: Path) -> None:
    named = [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]
    templates = read_chat_templates(write(tmp_path, chat_template=named))
    assert (templates.of(has_tools=False), templates.of(has_tools=True)) == ("d", "t")


def test_templates_may_be_named_by_an_object_too(tmp_path: Path) -> None:
    templates = read_chat_templates(write(tmp_path, chat_template={"default": "d", "rag": "r"}))
    assert templates.named == {"default": "d", "rag": "r"}


def test_files_win_over_the_configuration_with_all_its_names(tmp_path: Path) -> None:
    folder = write(tmp_path, chat_template={"default": "old", "tool_use": "old tools"})
    add(folder, "chat_template.jinja", "new")
    assert read_chat_templates(folder).of(has_tools=True) == "new"
    add(folder, "additional_chat_templates/tool_use.jinja", "new tools")
    assert read_chat_templates(folder).of(has_tools=True) == "new tools"
    assert "another chat template" in template_notes(folder)[0]


def test_one_template_in_two_places_is_no_note(tmp_path: Path) -> None:
    folder = write(tmp_path, chat_template="same")
    add(folder, "chat_template.jinja", "same")
    assert template_notes(folder) == ()


def test_additional_templates_without_a_default_are_not_guessed_at(tmp_path: Path) -> None:
    folder = write(tmp_path, chat_template="not read where there are files")
    add(folder, "additional_chat_templates/rag.jinja", "r")
    with pytest.raises(CheckpointError, match=r"1 chat templates \(rag\) and none is called"):
        read_chat_templates(folder)


def test_a_processors_template_is_read_by_no_tokenizer_and_that_is_said(tmp_path: Path) -> None:
    folder = write(tmp_path)
    add(folder, "chat_template.json", '{"chat_template": "p"}')
    assert read_chat_templates(folder).named == {}
    assert "there is no chat template" in template_notes(folder)[0]


@pytest.mark.parametrize(
    "value",
    [
        7,
        [],
        ["text"],
        [{"name": "default"}],
        {"default": None},
        [{"template": "t"}],
        [{"name": []}],
        {},
    ],
)
def test_a_template_that_is_no_text_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(CheckpointError, match="neither a text nor texts with names"):
        read_chat_templates(write(tmp_path, chat_template=value))


def test_a_variant_gets_all_templates_of_its_base_and_keeps_none_of_its_own(tmp_path: Path) -> None:
    base, output = write(tmp_path / "base"), write(tmp_path / "output")
    add(base, "additional_chat_templates/tool_use.jinja", "t")
    add(output, "additional_chat_templates/rag.jinja", "r")
    copy_tokenizer(base, output)
    copied = [path.name for path in (output / "additional_chat_templates").iterdir()]
    assert copied == ["tool_use.jinja"]
