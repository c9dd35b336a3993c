from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.suites.suite import (
    DecodeSettings,
    GraderSpec,
    Item,
    Message,
    SliceSpec,
    Suite,
)
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.prompts import suite_prompts
from tests.support.fakes import write_tokenizer


def chat(folder: Path, template: str) -> ChatFormat:
    write_tokenizer(folder, template)
    return ChatFormat.of(folder)


def user(content: str) -> tuple[Message, ...]:
    return (Message(role="user", content=content),)


def test_the_template_is_applied_with_special_tokens_and_an_opened_turn(tmp_path: Path) -> None:
    template = (
        "{{ messages[0].content }}{{ eos_token }}{% if add_generation_prompt %}<a>{% endif %}"
    )
    assert chat(tmp_path, template).render(user("hi"), ask=True) == "hi</s><a>"
    assert chat(tmp_path, template).render(user("hi"), ask=False) == "hi</s>"


def test_blocks_are_trimmed_and_loop_controls_work_as_in_transformers(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}\n  {% if loop.index > 1 %}\n{% break %}\n{% endif %}\n"
        "{{ m.content }}{% endfor %}"
    )
    assert chat(tmp_path, template).render(user("a") + user("b"), ask=True) == "a"


def test_tojson_neither_escapes_html_nor_unicode(tmp_path: Path) -> None:
    template = "{{ messages[0] | tojson }}"
    assert (
        chat(tmp_path, template).render(user("<é>"), ask=True)
        == '{"role": "user", "content": "<é>"}'
    )


def test_a_template_that_refuses_a_conversation_is_an_input_error(tmp_path: Path) -> None:
    template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(InputError, match="roles must alternate"):
        chat(tmp_path, template).render(user("hi"), ask=True)


def test_a_template_cannot_reach_into_python(tmp_path: Path) -> None:
    template = "{{ messages.__class__.__mro__[1].__subclasses__() }}"
    with pytest.raises(InputError, match="refuses"):
        chat(tmp_path, template).render(user("hi"), ask=True)


def test_todays_date_does_not_change_the_prompt(tmp_path: Path) -> None:
    assert chat(tmp_path, "{{ strftime_now('%Y') }}").render(user("hi"), ask=True) == "2000"


def test_without_a_template_the_text_itself_is_the_prompt(tmp_path: Path) -> None:
    assert chat(tmp_path, "").render(user("Once upon"), ask=True) == "Once upon"


def test_special_tokens_in_rendered_text_are_single_ids_and_none_are_added(tmp_path: Path) -> None:
    assert chat(tmp_path, "").token_ids("a</s>")[1:] == (0,)
    assert len(chat(tmp_path, "").token_ids("abc")) == 3


def test_an_unreadable_tokenizer_is_a_checkpoint_error(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="tokenizer cannot be read"):
        ChatFormat.of(tmp_path)


def suite(tmp_path: Path, *contents: str) -> Suite:
    items = tuple(
        Item(id=str(n), messages=user(text), expected="", slices=("s",))
        for n, text in enumerate(contents)
    )
    return Suite(
        name="s",
        version=1,
        description="",
        folder=tmp_path,
        digest=digest_of(list(contents)),
        grader=GraderSpec(kind="exact"),
        decode=DecodeSettings(max_tokens=4),
        slices=(SliceSpec(name="s", description=""),),
        items=items,
    )


def test_items_that_cannot_fit_the_context_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 of 2 items do not fit .* 1 \(9 tokens\)"):
        suite_prompts(suite(tmp_path, "short", "too long."), chat(tmp_path, ""), 10)


def test_a_shuffle_has_the_same_prompts_in_an_order_its_seed_fixes(tmp_path: Path) -> None:
    prompts = suite_prompts(suite(tmp_path, *"abcdefgh"), chat(tmp_path, ""), 10)
    assert prompts.in_order(0) == prompts.prompts
    assert prompts.in_order(1) == prompts.in_order(1) != prompts.prompts
    assert sorted(p.item_id for p in prompts.in_order(1)) == [str(n) for n in range(8)]
