"""What a checkpoint's tokenizer files say reaches llama.cpp as transformers reads them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.suites.suite import DecodeSettings, GraderSpec, Item, Message, Suite
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.engines.openai.runtime import OpenAiServerRuntime
from quantgate.pipelines.engines.openai.versions import identified
from quantgate.pipelines.engines.requests import AnswerRequest, Loadable, Prompt
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.prompts import suite_prompts
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.formats.gguf.header import read_gguf_header
from quantgate.pipelines.formats.tokenizers.checkpoint import read_tokenizer
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.fakes import FakeRuntime
from tests.support.llamacpp.checkpoints import (
    NASTY_TEXTS,
    backend,
    byte_level_tokenizer,
    probe,
    random_checkpoint,
    write_lines,
)
from tests.support.llamacpp.oracles import oracle

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

    model = backend().converter.convert(
        checkpoint, tmp_path / "scratch", run_worker, ignore_progress
    )

    report = probe(model, read_tokenizer(checkpoint.folder).tokenizer, NASTY_TEXTS, tmp_path)
    assert (report.mismatched_texts, report.compared_texts) == ((), len(NASTY_TEXTS))
    assert report.chat_template == "file {{ messages[0].content }}"
    metadata = read_gguf_header(model).metadata
    assert metadata["tokenizer.chat_template.tool_use"] == tools.read_text()
    written = json.loads((checkpoint.folder / "tokenizer_config.json").read_text())
    assert written["chat_template"] == "{{ messages[0]['content'] }}"


def test_llama_server_hands_the_variables_to_the_template(tmp_path: Path) -> None:
    checkpoint = random_checkpoint(tmp_path / "base")
    template = "{{ messages[0].content }}{% if not enable_thinking %} without a thought{% endif %}"
    (checkpoint.folder / "chat_template.jinja").write_text(template)
    model = backend().converter.convert(
        checkpoint, tmp_path / "scratch", run_worker, ignore_progress
    )
    server = identified(
        Server(
            name="served",
            engine="llama-server",
            formats=(Format.GGUF,),
            prompts="chat",
            command=(
                str(oracle("llama-server")), "--model", "{model}", "--host", "127.0.0.1", "--port",
                "{port}", "--threads", "1", "--parallel", "1", "--ctx-size", "128", "--offline",
                "--no-ui",
            ),
        )
    )  # fmt: skip
    runtime = OpenAiServerRuntime(server, FakeRuntime())
    item = Item(id="1", messages=(Message(role="user", content="hello"),), expected="", slices=())
    suite = Suite(
        name="s", version=1, description="", folder=tmp_path, digest=digest_of("s"),
        grader=GraderSpec(kind="exact"), decode=DecodeSettings(max_tokens=2), slices=(),
        items=(item,), template_variables={"enable_thinking": False},
    )  # fmt: skip
    (prompt,) = suite_prompts(suite, ChatFormat.of(checkpoint.folder), 128).prompts
    assert prompt.text == "hello without a thought"

    def ask(asked: Prompt) -> None:
        request = AnswerRequest(
            loadable=Loadable(path=model, format=Format.GGUF),
            prompts=write_lines(tmp_path / "prompts.jsonl", [to_json(asked)]),
            answers=tmp_path / f"{len(asked.chat or {})}.jsonl",
            decode=suite.decode,
            stop_token_ids=(),
            schedule=runtime.schedule(1),
            log=tmp_path / "log",
        )
        runtime.answer(request, run_worker, ignore_progress)

    ask(prompt)  # its count of tokens is ours, or this is an error
    thinking = dict(prompt.chat or {}) | {"chat_template_kwargs": {"enable_thinking": True}}
    with pytest.raises(ServiceError, match="has another chat template"):
        ask(replace(prompt, chat=thinking | {"n": 1}))
