"""A checkpoint, items of the example as prompts, and a real server to ask them."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.openai.runtime import OpenAiServerRuntime
from quantgate.pipelines.engines.openai.versions import identified
from quantgate.pipelines.engines.requests import AnswerRequest, ProbeRequest, Prompt
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.prompts import suite_prompts
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.formats.tokenizers.folder import special_token_ids
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.suites.load import load_suite
from tests.support.fakes import FakeRuntime
from tests.support.project import EXAMPLE

THREADS = 2
_CONTEXT_TOKENS = 512
TOOL: JsonObject = {
    "type": "function",
    "function": {
        "name": "refund_order",
        "description": "Give the money back",
        "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
    },
}
_SHOWS_TOOLS = (
    "{% if tools %}{{ tools[0]['function']['name'] }}{% endif %}{% if tone %}{{ tone }}{% endif %}"
)


class Desk:
    """The example's base in a server's format, some of its items, and the server to ask them."""

    def __init__(self, folder: Path, server: Server, items: int, checkpoint: Path) -> None:
        self.folder = folder
        settings = Settings.from_environment(dict(os.environ) | {"QUANTGATE_STORE": str(folder)})
        self.server = identified(server)
        self.tools = wire(settings, [self.server])
        self.runtime = self.tools.runtimes[server.name]
        self.checkpoint = resolve_checkpoint(
            str(checkpoint), name=None, store=settings.store, hub=settings.hub
        )
        self.base = self.runtime.reference(self.checkpoint, folder, run_worker, ignore_progress)
        self.suite = load_suite(EXAMPLE / "suite")
        self.chat = ChatFormat.of(self.checkpoint.folder)
        prompts = suite_prompts(self.suite, self.chat, _CONTEXT_TOKENS).prompts
        self.prompts = prompts[:: len(prompts) // items][:items]
        self.stops = special_token_ids(self.checkpoint.folder).end
        self.decode = self.suite.decode

    def request(self, name: str, prompts: tuple[Prompt, ...] = ()) -> AnswerRequest:
        """What asks prompts, all of the desk's where none are named; `name` is that of its files."""
        path = self.folder / f"{name}-prompts.jsonl"
        rows = [json.dumps(to_json(prompt)) for prompt in prompts or self.prompts]
        path.write_text("\n".join(rows) + "\n")
        return AnswerRequest(
            loadable=self.base,
            prompts=path,
            answers=self.folder / f"{name}.jsonl",
            decode=self.decode,
            stop_token_ids=self.stops,
            schedule=self.runtime.schedule(THREADS),
            log=self.folder / f"{name}.log",
        )

    def answers(self, request: AnswerRequest) -> dict[str, Any]:
        """What was answered so far, by item."""
        path = request.answers
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return {row["item_id"]: row for row in rows}

    def ask(self, runtime: str, request: AnswerRequest) -> dict[str, Any]:
        """Ask a runtime of the program, `served` or one of ours; returns all answers."""
        self.tools.runtimes[runtime].answer(request, run_worker, ignore_progress)
        return self.answers(request)

    def ask_otherwise(
        self, name: str, asked: tuple[Prompt, ...] = (), **changes: Any
    ) -> dict[str, Any]:
        """Ask the server with some of its settings changed."""
        runtime = OpenAiServerRuntime(replace(self.server, **changes), FakeRuntime())
        request = replace(self.request(name, asked), schedule=runtime.schedule(THREADS))
        runtime.answer(request, run_worker, ignore_progress)
        return self.answers(request)

    def look_request(self) -> ProbeRequest:
        """What looks whether the server loads the base and reads texts as we do."""
        texts = self.folder / "texts.jsonl"
        rows = [{"id": p.item_id, "text": p.text, "token_ids": p.token_ids} for p in self.prompts]
        texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return ProbeRequest(
            loadable=self.base, texts=texts, threads=THREADS, log=self.folder / "probe.log"
        )

    def with_tools(self) -> tuple[Prompt, ...]:
        """The first items, each with a tool and a variable of the chat template."""
        items = tuple(
            replace(item, tools=(TOOL,), template_variables={"tone": "polite"})
            for item in self.suite.items[:3]
        )
        suite = replace(self.suite, items=items)
        return suite_prompts(suite, self.chat, _CONTEXT_TOKENS).prompts


def checkpoint_that_shows_tools(folder: Path) -> Path:
    """A copy of the example's checkpoint whose chat template writes out a tool and a variable."""
    copied = folder / "shows-tools"
    shutil.copytree(EXAMPLE / "checkpoint", copied)
    file = copied / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    template = settings["chat_template"]
    before, _, after = template.partition("{% if add_generation_prompt %}")
    settings["chat_template"] = f"{before}{_SHOWS_TOOLS}{{% if add_generation_prompt %}}{after}"
    file.write_text(json.dumps(settings))
    return copied
