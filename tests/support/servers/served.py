"""A model file, prompts, and a server to ask them: what tests of the server runtime share."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.openai.messages import Served, Serving
from quantgate.pipelines.engines.openai.process import Launch
from quantgate.pipelines.engines.openai.runtime import OpenAiServerRuntime
from quantgate.pipelines.engines.openai.started_servers import StartedServers
from quantgate.pipelines.engines.openai.workers.answer import answer
from quantgate.pipelines.engines.openai.workers.probe import probe
from quantgate.pipelines.engines.prompt_lengths import longest_sequence
from quantgate.pipelines.engines.requests import (
    AnswerRequest,
    AnswerTally,
    Loadable,
    ProbeRequest,
    Prompt,
    ServedProbeReport,
)
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.process.calls import Progress, ignore_progress
from tests.support.fakes import FakeRuntime
from tests.support.servers.openai_fake import FakeEngine

COMMAND = (
    sys.executable, "-m", "tests.support.servers.openai_fake", "--port", "{port}", "--model", "{model}",
)  # fmt: skip


class Site:
    """A model file, twelve prompts, and a server to ask them."""

    def __init__(self, folder: Path, count: int = 12) -> None:
        self.folder = folder
        self.model = folder / "model.gguf"
        self.model.write_text("weights")
        self.loadable = Loadable(path=self.model, format=Format.GGUF)
        self.ids = [f"item-{number}" for number in range(count)]
        prompts = [
            Prompt(item_id=name, token_ids=(7,) * (number + 1), text="seven " * (number + 1))
            for number, name in enumerate(self.ids)
        ]
        lines = [json.dumps(to_json(prompt)) for prompt in prompts]
        (folder / "prompts.jsonl").write_text("\n".join(lines) + "\n")

    def engine(self, **fields: Any) -> FakeEngine:
        return FakeEngine(model_path=str(self.model), **fields)

    def server(self, **fields: Any) -> Server:
        given = {"name": "here", "engine": "llama-server", "formats": (Format.GGUF,)} | fields
        return Server(version="b1", **given)

    def serving(self, server: Server) -> Serving:
        return Serving(
            server=server,
            loadable=self.loadable,
            threads=1,
            context_tokens=longest_sequence(self.folder / "prompts.jsonl", 8),
            server_log=self.folder / "server.log",
        )

    @contextmanager
    def running(self, server: Server) -> Iterator[Serving]:
        serving = self.serving(server)
        if server.url:
            yield serving
            return
        with StartedServers().serving(serving) as running:
            yield replace(serving, running=running)

    def ask(
        self, server: Server, hear: Callable[[Progress], None] = ignore_progress
    ) -> AnswerTally:
        with self.running(server) as serving:
            return answer(Served(serving=serving, request=self.request()), hear)

    def look_request(self, texts: dict[str, list[int]]) -> ProbeRequest:
        rows = [{"id": t, "text": t, "token_ids": ids} for t, ids in texts.items()]
        path = self.folder / "texts.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return ProbeRequest(
            loadable=self.loadable,
            texts=path,
            threads=1,
            log=self.folder / "logs" / "audit.log",
        )

    def look(self, server: Server, texts: dict[str, list[int]]) -> ServedProbeReport:
        request = self.look_request(texts)
        with self.running(server) as serving:
            return probe(Served(serving=serving, request=request), ignore_progress)

    def request(self) -> AnswerRequest:
        runtime = OpenAiServerRuntime(self.server(), FakeRuntime())
        return AnswerRequest(
            loadable=self.loadable,
            prompts=self.folder / "prompts.jsonl",
            answers=self.folder / "answers.jsonl",
            decode=DecodeSettings(max_tokens=8),
            stop_token_ids=(2,),
            schedule=runtime.schedule(1),
            log=self.folder / "logs" / "run.log",
        )

    def answers(self) -> dict[str, Any]:
        path = self.folder / "answers.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        assert len({row["item_id"] for row in rows}) == len(rows)
        return {row["item_id"]: row for row in rows}


def launch(command: list[str], log: Path) -> Launch:
    """What starts a command as a server."""
    return Launch(
        command=tuple(command),
        environment=dict(os.environ),
        engine="fake",
        url="http://127.0.0.1:9",
        log=log,
    )


def parent_of(pid: int) -> int:
    """Which process started this one."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def gone(pid: int) -> bool:
    """Whether a process has ended, buried or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # before it was opened, or read
        return True


def all_gone(pids: list[int]) -> bool:
    """Whether processes end within seconds."""
    for _ in range(100):
        if all(gone(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False
