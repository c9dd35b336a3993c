"""A chat server renders the messages of a loop itself, and reads the very tokens that we do in every step."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.run import Run, Schedule
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.engines.openai.messages import Served
from quantgate.pipelines.engines.openai.runtime import OpenAiServerRuntime
from quantgate.pipelines.engines.openai.workers.answer import answer
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.runs import SuiteRuns, run_suite
from quantgate.pipelines.files.records import from_json, to_json
from quantgate.pipelines.process.calls import (
    OnProgress,
    Reply,
    WorkerCall,
    WorkerReply,
    ignore_progress,
)
from tests.support.fakes import TEMPLATE, FakeRuntime
from tests.support.loops.runs_of_suites import TOOL_TEMPLATE, suite_runs
from tests.support.loops.scripted import refund, refunding, suite_with
from tests.support.servers.openai_fake import FakeEngine, fake_server


@dataclass
class ChatServer(FakeEngine):
    """Renders messages by the template, counts tokens and returns calls parsed, as real ones do."""

    folder: Path = field(default_factory=Path)

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        """Play `refund(1)`: the next answer is the one after as many as the assistant has given."""
        messages = [Message(**{**one, "tool_calls": _calls(one)}) for one in body["messages"]]
        ids = ChatFormat.of(self.folder).read(messages, tools=body.get("tools", ())).token_ids
        said = refunding()[sum(one.role == "assistant" for one in messages)]
        return {
            "model": self.served_name,
            "choices": [{"index": 0, **_choice(said)}],
            "usage": {"prompt_tokens": len(ids), "completion_tokens": 3},
        }


def _calls(message: dict[str, Any]) -> tuple[Any, ...]:
    calls = tuple(message.get("tool_calls", ()))
    for call in calls:  # OpenAI's interface takes JSON text and nothing else
        assert isinstance(call["function"]["arguments"], str)
    return calls


def _choice(said: str) -> dict[str, Any]:
    if not said.startswith("{"):
        return {"message": {"content": said}, "finish_reason": "stop"}
    call = json.loads(said)
    function = {"name": call["name"], "arguments": json.dumps(call["arguments"])}
    calls = [{"id": "abc", "type": "function", "function": function}]
    return {"message": {"content": None, "tool_calls": calls}, "finish_reason": "tool_calls"}


def in_process(
    call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
) -> WorkerReply[Reply]:
    """Run the worker that asks servers here."""
    assert isinstance(call.request, Served)
    tally = from_json(reply_type, to_json(answer(call.request, on_progress)))
    return WorkerReply(value=tally, seconds=0.0, peak_memory_bytes=0)


@pytest.mark.parametrize("template", [TEMPLATE, TOOL_TEMPLATE])
def test_the_server_counts_our_tokens_at_every_step(tmp_path: Path, template: str) -> None:
    exam = suite_runs(tmp_path, suite_with(refund()), template=template)
    engine = ChatServer(engine="other", served_name="m", folder=tmp_path)
    with fake_server(engine) as url:
        run = _run(exam, url, tmp_path)
    whole = run.answers[0]
    assert whole.grade.correct, whole.grade.reason
    assert len(whole.steps) == 4
    assert whole.answer.length_tokens == 4 * 3
    assert len(engine.requests) == 4


def _run(exam: SuiteRuns, url: str, folder: Path) -> Run:
    server = Server(
        name="here",
        engine="other",
        version="1",
        url=url,
        model_name="m",
        prompts="chat",
        formats=(Format.GGUF,),
    )
    runtime = OpenAiServerRuntime(server, FakeRuntime())
    exam = replace(exam, observation_runner=replace(exam.observation_runner, run_worker=in_process))
    plan = exam.plan(
        runtime=runtime,
        identity=runtime.identity(None),
        subject="base",
        subject_digest=Digest("0" * 64),
        schedule=Schedule(slots=1, threads=1),
    )
    return run_suite(
        exam,
        plan,
        runtime=runtime,
        loadable=Loadable(path=folder / "model.gguf", format=Format.GGUF),
        on_progress=ignore_progress,
    )
