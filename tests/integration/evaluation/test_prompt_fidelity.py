"""Token ids are those of Hugging Face transformers: every template with every conversation and tokenizer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.evaluation.chat import ChatFormat, TemplateRefusalError, template_message
from quantgate.pipelines.evaluation.templates.environment import FIXED_NOW
from quantgate.pipelines.evaluation.transformers_reading import (
    ReadingCall,
    ReadText,
    may_read_otherwise,
)
from quantgate.pipelines.evaluation.workers.transformers_reading import compare
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.process.calls import ignore_progress
from tests.support.prompts.families import (
    CONFIGURATIONS,
    CONVERSATIONS,
    TEMPLATES,
    TOKENIZERS,
    TOOL,
    write_family,
)

pytestmark = pytest.mark.integration


class _FixedDate(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return FIXED_NOW


@pytest.fixture(autouse=True)
def fixed_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates may print the date, which is fixed for us."""
    from transformers.utils import chat_template_utils

    monkeypatch.setattr(chat_template_utils, "datetime", _FixedDate)


def theirs(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def asked(own: Any, messages: tuple[Message, ...], tools: Any, **settings: Any) -> Any:
    """What `apply_chat_template` gives, "refused" where the template refuses."""
    plain = [template_message(message) for message in messages]
    settings = {"add_generation_prompt": True, "return_dict": False, **settings}
    try:
        return tuple(own.apply_chat_template(plain, tools=list(tools) or None, **settings))
    except Exception:  # noqa: BLE001 - templates raise anything
        return "refused"


def ours(chat: ChatFormat, messages: tuple[Message, ...], tools: Any, **settings: Any) -> Any:
    try:
        return chat.read(messages, tools=tools, **settings).token_ids
    except TemplateRefusalError:
        return "refused"


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_every_template_gives_every_conversation_the_same_ids(
    tmp_path: Path, tokenizer: str
) -> None:
    made = TOKENIZERS[tokenizer]()
    answered = 0
    for name, template in TEMPLATES.items():
        folder = write_family(tmp_path / name, made, CONFIGURATIONS["plain"], template)
        own, chat = theirs(folder), ChatFormat.of(folder)
        for title, (messages, tools) in CONVERSATIONS.items():
            expected = asked(own, messages, tools)
            assert ours(chat, messages, tools) == expected, (name, title)
            closed = asked(own, messages, tools, add_generation_prompt=False)
            assert ours(chat, messages, tools, ask=False) == closed, (name, title)
            answered += expected != "refused"
    assert answered > 75  # some templates refuse tools, and both sides alike


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_plain_text_gets_the_ids_of_the_tokenizer_itself(
    tmp_path: Path, tokenizer: str, configuration: str
) -> None:
    folder = write_family(
        tmp_path / "model",
        TOKENIZERS[tokenizer](),
        CONFIGURATIONS[configuration],
        TEMPLATES["command"],
    )
    own, chat = theirs(folder), ChatFormat.of(folder)
    for messages, tools in CONVERSATIONS.values():
        for message in messages:
            text = message.content
            assert chat.read_text(text).token_ids == tuple(own(text)["input_ids"]), text
        assert ours(chat, messages, tools) == asked(own, messages, tools)


@contextmanager
def old_files(folder: Path) -> Iterator[None]:
    """Add what versions before 5 wrote beside the configuration."""
    flags = {"lstrip": True, "rstrip": False, "normalized": False, "single_word": False}
    special = {
        "bos_token": "<s>",
        "cls_token": {"content": "<cls>", **flags},
        "additional_special_tokens": ["<think>"],
    }
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    (folder / "added_tokens.json").write_text(json.dumps({"<extra>": 900, "brief": 901}))
    yield


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_files_of_former_versions_are_read_by_the_same_precedence(
    tmp_path: Path, configuration: str
) -> None:
    template = (
        "{{ bos_token }}{{ cls_token }}{{ sep_token }}{{ messages[0].content }}<extra><think>"
    )
    folder = write_family(
        tmp_path / "model", TOKENIZERS["byte level"](), CONFIGURATIONS[configuration], template
    )
    with old_files(folder):
        own, chat = theirs(folder), ChatFormat.of(folder)
    for messages, tools in CONVERSATIONS.values():
        assert ours(chat, messages, tools) == asked(own, messages, tools)
    assert dict(chat.tokens) == own.special_tokens_map


def test_named_templates_are_chosen_alike(tmp_path: Path) -> None:
    named: JsonObject = {"chat_template": [
        {"name": "default", "template": "default {{ messages[0].content }}"},
        {"name": "tool_use", "template": "tools {{ tools | tojson }}"},
        {"name": "rag", "template": "documents {{ documents | tojson }}"},
    ]}  # fmt: skip
    folder = write_family(tmp_path / "model", TOKENIZERS["byte level"](), named, None)
    for files in ({}, {"tool_use": "from a file"}, {"default": "also from a file"}):
        for name, template in files.items():
            (folder / "additional_chat_templates").mkdir(exist_ok=True)
            (folder / "additional_chat_templates" / f"{name}.jinja").write_text(template)
        if files.keys() == {"tool_use"}:
            (folder / "chat_template.jinja").write_text("file {{ messages[0].content }}")
        own, chat = theirs(folder), ChatFormat.of(folder)
        for title in ("user", "tools"):
            assert ours(chat, *CONVERSATIONS[title]) == asked(own, *CONVERSATIONS[title])


@pytest.mark.parametrize("name", TEMPLATES)
def test_variables_and_documents_reach_the_template_alike(tmp_path: Path, name: str) -> None:
    folder = write_family(
        tmp_path / "model", TOKENIZERS["byte level"](), CONFIGURATIONS["plain"], TEMPLATES[name]
    )
    own, chat = theirs(folder), ChatFormat.of(folder)
    variables: JsonObject = {
        "enable_thinking": False, "date_string": "1 May", "bos_token": "<BOS>",
        "documents": [{"title": "a", "text": "b"}],
    }  # fmt: skip
    messages, tools = CONVERSATIONS["turns"]
    found = ours(chat, messages, tools, variables=variables)
    assert found == asked(own, messages, tools, **variables)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("text", ["Hello", "Hello, my ", " spaced "])
def test_an_answer_that_was_begun_is_gone_on_with_alike(
    tmp_path: Path, name: str, text: str
) -> None:
    folder = write_family(
        tmp_path / "model", TOKENIZERS["byte level"](), CONFIGURATIONS["plain"], TEMPLATES[name]
    )
    own, chat = theirs(folder), ChatFormat.of(folder)
    talk = (Message(role="user", content="Hi"), Message(role="assistant", content=text))
    expected = asked(own, talk, (), add_generation_prompt=False, continue_final_message=True)
    assert ours(chat, talk, (), continue_final=True) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "tools | tojson(ensure_ascii=True)", "tools | tojson(indent=2)", "tools | tojson(indent='\t')",
        "tools | tojson(separators=(',', ':'))", "tools | tojson(sort_keys=true)",
        "tools | tojson(none, 2)", "messages | tojson", "range(3) | list", "dict(a=1) | tojson",
        "cycler('a', 'b').next()", "namespace(x=3).x", "joiner(', ')() ~ '|'", "[3, 1] | sort | join('-')",
        "messages | map(attribute='role') | list",
        "messages | selectattr('role', 'equalto', 'user') | list | length",
        "messages[0].content | upper | replace('A', 'b') | indent(2)", "'%s-%d' | format('x', 3)",
        "tools is iterable and tools is not string", "documents is none", "undefined_name is defined",
        "messages[0].get('name', 'nobody')", "messages[0].items() | list", "messages[-1]['content'][:5]",
        "strftime_now('%Y-%m-%d')", "unk_token", "pad_token", "mask_token is defined",
        "1 / 0", "missing.deep",
        "add_generation_prompt", "tools[0].function.parameters.properties | dictsort", "'<&>' | escape",
        "messages | length // 2", "(1, 2) | tojson", "raise_exception('no')", "messages.append(1)",
        "messages.__class__", "lipsum is defined", "loop is defined", "self is defined", "caller is defined",
    ],
)  # fmt: skip
def test_whatever_the_environment_offers_it_offers_alike(tmp_path: Path, expression: str) -> None:
    template = (
        "{{ "
        + expression
        + " }}{% for m in messages %}{% if loop.index > 3 %}{% break %}{% endif %}{% endfor %}"
    )
    folder = write_family(
        tmp_path / "model", TOKENIZERS["byte level"](), CONFIGURATIONS["plain"], template
    )
    own, chat = theirs(folder), ChatFormat.of(folder)
    messages, _ = CONVERSATIONS["turns"]
    assert ours(chat, messages, (TOOL,)) == asked(own, messages, (TOOL,))


def test_what_training_left_in_the_tokenizer_cuts_nothing(tmp_path: Path) -> None:
    folder = write_family(
        tmp_path / "model",
        TOKENIZERS["left over from training"](),
        CONFIGURATIONS["plain"],
        "{{ messages[0].content }}",
    )
    found = ChatFormat.of(folder).read(*CONVERSATIONS["user"][:1]).token_ids
    assert 4 < len(found) < 64


@pytest.mark.parametrize(
    ("tokenizer_class", "mismatched"),
    [("PreTrainedTokenizerFast", ()), ("GPT2Tokenizer", ("word",)), ("Gone", ())],
)
def test_a_class_that_builds_the_tokenizer_anew_is_told_from_the_file(
    tmp_path: Path, tokenizer_class: str, mismatched: tuple[str, ...]
) -> None:
    configuration: JsonObject = {"tokenizer_class": tokenizer_class, "unk_token": "<unk>"}
    made = TOKENIZERS["byte level with a prefix space"]()
    folder = write_family(tmp_path / "model", made, configuration, None)
    chat = ChatFormat.of(folder)
    texts = [("word", "weather"), ("spaced word", " weather")]
    rows = [
        ReadText(id=name, text=text, token_ids=chat.read_text(text).token_ids, begins=True)
        for name, text in texts
    ]
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps(to_json(row)) + "\n" for row in rows))
    found = compare(ReadingCall(folder=folder, texts=file), ignore_progress)
    assert (found.mismatched, found.problem) == (mismatched, "")
    assert may_read_otherwise(folder) is (tokenizer_class != "PreTrainedTokenizerFast")
    assert (found.note is None) is not bool(mismatched)


def test_a_tokenizer_that_transformers_cannot_load_is_a_note(tmp_path: Path) -> None:
    folder = write_family(tmp_path / "model", TOKENIZERS["unigram"](), {}, None)
    edited = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": 7}
    (folder / "tokenizer_config.json").write_text(json.dumps(edited))
    file = tmp_path / "texts.jsonl"
    file.write_text("")
    found = compare(ReadingCall(folder=folder, texts=file), ignore_progress)
    assert "transformers cannot load its tokenizer" in (found.note or "")


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("as_files", [True, False])
def test_what_transformers_saves_is_read_as_transformers_reads_it(
    tmp_path: Path, tokenizer: str, as_files: bool
) -> None:
    from transformers import AddedToken, PreTrainedTokenizerFast

    saved = PreTrainedTokenizerFast(
        tokenizer_object=TOKENIZERS[tokenizer](),
        bos_token="<s>",
        eos_token=AddedToken("</s>", lstrip=True, special=True),
        extra_special_tokens=["<think>", AddedToken("</think>", rstrip=True)],
        image_token="<image>",
        chat_template={"default": TEMPLATES["command"], "tool_use": TEMPLATES["chatml"]},
    )
    saved.add_tokens([AddedToken("weather", single_word=True), "Be brief"])
    saved.save_pretrained(tmp_path / "model", save_jinja_files=as_files)
    own, chat = theirs(tmp_path / "model"), ChatFormat.of(tmp_path / "model")
    assert dict(chat.tokens) == own.special_tokens_map
    for messages, tools in CONVERSATIONS.values():
        assert ours(chat, messages, tools) == asked(own, messages, tools)
        for message in messages:
            assert chat.read_text(message.content).token_ids == tuple(
                own(message.content)["input_ids"]
            )
