import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, processors

from quantgate.calibration.drawing.rendering import rendered_ids, rendering_digest
from quantgate.flows.build.preflight.prompts import PlanningInputs, preflight_prompts
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.checkpoint import Checkpoint, TensorFacts
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.suites.suite import Message, Suite
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.prompts import SuitePrompts, suite_prompts
from quantgate.pipelines.evaluation.templates.calls import TemplateLimits
from quantgate.pipelines.evaluation.templates.child import TemplateChild
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.suites.load import load_suite
from tests.support.fakes import fake_checkpoint, write_tokenizer

TEMPLATE = (
    "{% for m in messages %}[{{ m.content }}]{% endfor %}"
    "{% if enable_thinking is defined and not enable_thinking %}(no){% endif %}"
)
BEGIN = 257


def checkpoint(folder: Path, template: str = TEMPLATE) -> Path:
    """A checkpoint whose tokenizer puts a beginning-of-sequence before every text."""
    folder.mkdir(exist_ok=True)
    write_tokenizer(folder, template)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", BEGIN)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def suite(folder: Path, *rows: dict[str, Any], **settings: Any) -> Suite:
    folder.mkdir(exist_ok=True)
    file = {
        "name": "s", "version": 1, "grader": "exact", "decode": {"max_tokens": 4}, "slices": {"a": {}},
    }  # fmt: skip
    (folder / "suite.yaml").write_text(json.dumps(file | settings))
    filled = [{"id": str(n), "expected": "x", "slices": ["a"], **row} for n, row in enumerate(rows)]
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in filled))
    return load_suite(folder)


def prompts(tmp_path: Path, template: str, *rows: dict[str, Any], **settings: Any) -> SuitePrompts:
    chat = ChatFormat.of(checkpoint(tmp_path / "model", template))
    return suite_prompts(suite(tmp_path / "suite", *rows, **settings), chat, 512)


def test_a_raw_item_is_completed_as_it_stands_after_a_beginning_of_sequence(tmp_path: Path) -> None:
    found = prompts(tmp_path, TEMPLATE, {"prompt": "2+2=", "raw": True}, {"prompt": "2+2="})
    assert found.texts == ("2+2=", "[2+2=]")
    raw, asked = found.prompts
    assert (raw.token_ids[0], len(raw.token_ids)) == (BEGIN, 5)
    assert (asked.token_ids[0] == BEGIN, len(asked.token_ids)) == (False, 6)
    assert (raw.chat, asked.chat is None) == (None, False)


def test_without_a_template_every_prompt_is_plain_text(tmp_path: Path) -> None:
    (prompt,) = prompts(tmp_path, "", {"prompt": "2+2="}).prompts
    assert (prompt.token_ids[0], prompt.chat) == (BEGIN, None)


def test_a_template_that_writes_its_own_beginning_gets_no_second_one(tmp_path: Path) -> None:
    (prompt,) = prompts(tmp_path, "<s>{{ messages[0].content }}", {"prompt": "hi"}).prompts
    assert prompt.token_ids.count(BEGIN) == 1


def test_plain_rows_of_a_corpus_begin_as_in_training_and_conversations_as_rendered(
    tmp_path: Path,
) -> None:
    chat = ChatFormat.of(checkpoint(tmp_path / "model"))
    plain = CorpusSequence(id="1", text="ab")
    talk = CorpusSequence(id="2", messages=(Message(role="user", content="ab"),))
    assert rendered_ids(plain, chat) == (BEGIN, *chat.token_ids("ab"))
    assert rendered_ids(talk, chat) == chat.token_ids("[ab]")


def test_an_item_that_breaks_the_template_is_named_in_one_line(tmp_path: Path) -> None:
    template = "{% for m in messages %}\n{{ 1 / (m.content | length - 3) }}\n{% endfor %}"
    with pytest.raises(InputError) as caught:
        prompts(tmp_path, template, {"prompt": "fine"}, {"prompt": "bad"}, {"prompt": "ill"})
    assert caught.value.what == (
        "item '1': the model's chat template refuses a conversation (user): ZeroDivisionError: "
        "division by zero (line 2 of the template: `{{ 1 / (m.content | length - 3) }}`); "
        "so it is with '2'"
    )
    assert (caught.value.where, caught.value.exit_code) == ("suite s", 2)


@pytest.mark.parametrize(
    ("build", "file", "item", "text"),
    [
        ({}, {}, {}, "[hi]"),
        ({}, {"enable_thinking": False}, {}, "[hi](no)"),
        ({"enable_thinking": True}, {"enable_thinking": False}, {}, "[hi]"),
        ({"enable_thinking": True}, {}, {"enable_thinking": False}, "[hi](no)"),
    ],
)
def test_an_items_template_variables_win_over_the_builds_and_those_over_the_suites(
    tmp_path: Path, build: JsonObject, file: JsonObject, item: JsonObject, text: str
) -> None:
    row = {"prompt": "hi", "template_variables": item}
    written = suite(tmp_path / "suite", row, template_variables=file)
    asked = replace(written, template_variables={**written.template_variables, **build})
    found = suite_prompts(asked, ChatFormat.of(checkpoint(tmp_path / "model")), 512)
    assert found.texts == (text,)


def test_template_variables_are_part_of_the_digests_and_their_absence_is_not(
    tmp_path: Path,
) -> None:
    chat = ChatFormat.of(checkpoint(tmp_path / "model"))
    plain = suite(tmp_path / "suite", {"prompt": "hi"})
    unused = suite(tmp_path / "suite", {"prompt": "hi"}, template_variables={"date": "May"})
    own = suite(tmp_path / "suite", {"prompt": "hi", "template_variables": {"date": "May"}})
    assert len({one.digest for one in (plain, unused, own)}) == 3
    digests = [suite_prompts(one, chat, 512).digest for one in (plain, unused, own)]
    assert digests[0] != digests[1] == digests[2]
    assert rendering_digest({}) != rendering_digest({"date": "May"})


def test_servers_are_sent_the_variables_with_a_chat_and_arguments_as_json_text(
    tmp_path: Path,
) -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": {"city": "Köln"}}}
    talk = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    row = {"messages": talk, "template_variables": {"date": "May"}}
    (prompt,) = prompts(tmp_path, TEMPLATE, row).prompts
    assert prompt.chat is not None
    assert prompt.chat["chat_template_kwargs"] == {"date": "May"}
    sent = json.loads(json.dumps(prompt.chat["messages"]))[1]["tool_calls"][0]["function"]
    assert sent["arguments"] == '{"city": "Köln"}'


@pytest.mark.parametrize("name", ["messages", "add_generation_prompt", "no name"])
def test_variables_that_a_template_cannot_be_handed_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' is "):
        suite(tmp_path / "suite", {"prompt": "hi"}, template_variables={name: 1})


def preflight(
    tmp_path: Path,
    written: Suite,
    engine: str = "vllm",
    template: str = TEMPLATE,
    base: Checkpoint | None = None,
) -> list[str]:
    if base is None:
        base = fake_checkpoint(tmp_path / "model")
        checkpoint(tmp_path / "model", template)
    server = Server(name="s", engine=engine, formats=(Format.COMPRESSED_TENSORS,), prompts="chat")
    said: list[str] = []
    asked = PlanningInputs(
        suite=written,
        checkpoint=base,
        servers=(server,),
        settings=replace(Settings.from_environment({}), store=Store(root=tmp_path / "store")),
        run_worker=run_worker,
    )
    preflight_prompts(asked, said.append)
    return said


def test_a_server_that_knows_no_template_variables_is_refused_while_planning(
    tmp_path: Path,
) -> None:
    written = suite(tmp_path / "suite", {"prompt": "hi"}, template_variables={"date": "May"})
    assert preflight(tmp_path, written) == []
    with pytest.raises(InputError, match=r"my-engine cannot be handed template variables \(date\)"):
        preflight(tmp_path, written, engine="my-engine")


def test_a_template_that_fails_is_found_while_planning(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"item '0': .* ZeroDivisionError"):
        preflight(tmp_path, suite(tmp_path / "suite", {"prompt": "hi"}), template="{{ 1 / 0 }}")


def test_an_endless_template_is_not_tried_on_every_item(tmp_path: Path) -> None:
    endless = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    rows = [{"prompt": f"question {n}"} for n in range(200)]
    chat = ChatFormat.of(checkpoint(tmp_path / "model", endless))
    quick = replace(chat, child=TemplateChild(TemplateLimits(cpu_seconds=0.1)))
    with pytest.raises(InputError, match=r"more than 0\.1 s of processor time .* and 196 more"):
        suite_prompts(suite(tmp_path / "suite", *rows), quick, 512)


def test_a_token_that_the_weights_have_no_row_for_is_refused(tmp_path: Path) -> None:
    base = fake_checkpoint(tmp_path / "model")
    checkpoint(tmp_path / "model", "<think>{{ messages[0].content }}")
    config = tmp_path / "model" / "tokenizer_config.json"
    more = json.loads(config.read_text()) | {"additional_special_tokens": ["<think>"]}
    config.write_text(json.dumps(more))
    written = suite(tmp_path / "suite", {"prompt": "hi"})
    embedding = TensorFacts(name="model.embed_tokens.weight", shape=(258, 8), dtype="float16")
    with pytest.raises(CheckpointError, match=r"item '0' holds token 258 \('<think>'\)"):
        preflight(tmp_path, written, base=replace(base, tensors=(embedding,)))


def test_what_training_left_in_the_tokenizer_is_said_while_planning(tmp_path: Path) -> None:
    written = suite(tmp_path / "suite", {"prompt": "hello"})
    folder = checkpoint(tmp_path / "other")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(2)
    tokenizer.save(str(folder / "tokenizer.json"))
    chat = ChatFormat.of(folder)
    assert "cut texts to 2 tokens, which is ignored" in chat.notes[0]
    assert len(suite_prompts(written, chat, 512).prompts[0].token_ids) == 7
