"""Server runtimes in child processes: a fake one that obeys the protocol, and llama.cpp's own."""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.openai.runtime import OpenAiServerRuntime
from quantgate.pipelines.engines.openai.versions import identified
from quantgate.pipelines.engines.requests import AnswerRequest, Loadable, ProbeRequest, Prompt
from quantgate.pipelines.engines.runtime import Runtime
from quantgate.pipelines.engines.timing.meter import SpeedRequest
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.prompts import suite_prompts
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.formats.tokenizers.folder import special_token_ids
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.suites.load import load_suite
from tests.support.fakes import FakeRuntime
from tests.support.llamacpp.oracles import oracle
from tests.support.project import EXAMPLE
from tests.support.servers.openai_fake import fake_server
from tests.support.servers.served import COMMAND, Site, all_gone, parent_of

pytestmark = pytest.mark.integration

ITEMS = 40
THREADS = 2


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def kill_worker_when(ready: Any, runtime: Runtime, request: AnswerRequest, trace: Any) -> list[int]:
    """Kill the worker as soon as `ready`; returns the server's and the guard's process ids."""
    ended: list[BaseException] = []

    def run() -> None:
        try:
            runtime.answer(request, run_worker, ignore_progress)
        except WorkerError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while not ready() and thread.is_alive():
        time.sleep(0.005)
    running: list[int] = trace()
    guard = parent_of(running[0])
    os.kill(answering_worker(), signal.SIGKILL)
    thread.join()
    assert "SIGKILL" in str(ended[0])
    return [*running, guard]


def answering_worker() -> int:
    """The worker of this process that asks the server."""
    for folder in Path("/proc").iterdir():
        asks = folder.name.isdigit() and _runs(folder, ("python", "openai.workers.answer"))
        if asks and parent_of(int(folder.name)) == os.getpid():
            return int(folder.name)
    raise AssertionError("no worker asks")


def test_a_killed_run_leaves_no_server_and_goes_on_item_by_item(site: Site) -> None:
    trace = site.folder / "trace"
    slow = (*COMMAND, "--seconds", "0.2", "--trace", str(trace))
    runtime = OpenAiServerRuntime(site.server(command=slow, concurrency=1), FakeRuntime())
    running = kill_worker_when(
        lambda: len(site.answers()) >= 2,
        runtime,
        site.request(),
        lambda: [int(pid) for pid in trace.read_text().split()],
    )
    assert all_gone(running)
    kept = site.answers()
    again = OpenAiServerRuntime(site.server(command=COMMAND), FakeRuntime())
    again.answer(site.request(), run_worker, ignore_progress)
    assert 2 <= len(kept) < 12
    assert set(site.answers()) == set(site.ids)
    assert {name: site.answers()[name] for name in kept} == kept


def test_the_audits_look_joins_the_files_own_runtime_and_the_server(site: Site) -> None:
    request = site.look_request({"ab": [1, 2]})
    with fake_server(site.engine(tokens={"ab": [9]})) as url:
        runtime = OpenAiServerRuntime(site.server(url=url), FakeRuntime())
        report = runtime.probe(request, run_worker, ignore_progress)
        look = runtime.probe_served(request, request.loadable, run_worker, ignore_progress)
    assert (report.loads, report.mismatched_texts, report.vocabulary_size) == (True, (), 257)
    assert (look.loads, look.mismatched_texts) == (True, ("ab",))
    refusing = site.server(command=(*COMMAND, "--behave", "refuse"))
    refused = OpenAiServerRuntime(refusing, FakeRuntime())
    look = refused.probe_served(request, request.loadable, run_worker, ignore_progress)
    assert not look.loads
    assert "unknown tensor type" in look.detail


class Desk:
    """The example's base as a GGUF, forty of its items, and llama-server to ask them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = Settings.from_environment(dict(os.environ) | {"QUANTGATE_STORE": str(folder)})
        program = str(oracle("llama-server"))
        self.server = identified(
            Server(
                name="served",
                engine="llama-server",
                formats=(Format.GGUF,),
                device="cpu",
                command=(
                    program, "--model", "{model}", "--host", "127.0.0.1", "--port", "{port}",
                    "--threads", "{threads}", "--parallel", "{slots}", "--no-kv-unified",
                    "--ctx-size", "{total_context}", "--cache-type-k", "{kv}",
                    "--cache-type-v", "{kv}", "--offline", "--no-ui",
                ),
            )
        )  # fmt: skip
        self.tools = wire(settings, [self.server])
        checkpoint = resolve_checkpoint(
            str(EXAMPLE / "checkpoint"), name=None, store=settings.store, hub=settings.hub
        )
        self.base = self.tools.runtimes["served"].reference(
            checkpoint, folder, run_worker, ignore_progress
        )
        suite = load_suite(EXAMPLE / "suite")
        prompts = suite_prompts(suite, ChatFormat.of(checkpoint.folder), 512)
        step = len(prompts.prompts) // ITEMS
        self.prompts = prompts.prompts[::step][:ITEMS]
        self.stops = special_token_ids(checkpoint.folder).end
        self.decode = suite.decode

    def request(self, name: str, prompts: tuple[Prompt, ...] = ()) -> AnswerRequest:
        path = self.folder / f"{name}-prompts.jsonl"
        rows = [json.dumps(to_json(prompt)) for prompt in prompts or self.prompts]
        path.write_text("\n".join(rows) + "\n")
        return AnswerRequest(
            loadable=self.base,
            prompts=path,
            answers=self.folder / f"{name}.jsonl",
            decode=self.decode,
            stop_token_ids=self.stops,
            schedule=self.tools.runtimes["served"].schedule(THREADS),
            log=self.folder / f"{name}.log",
        )

    def answers(self, request: AnswerRequest) -> dict[str, Any]:
        path = request.answers
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return {row["item_id"]: row for row in rows}

    def ask(self, runtime: str, request: AnswerRequest) -> dict[str, Any]:
        self.tools.runtimes[runtime].answer(request, run_worker, ignore_progress)
        return self.answers(request)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    oracle("llama-server")  # fails here, and not later in a child
    folder = tmp_path_factory.mktemp("desk")
    yield Desk(folder)
    shutil.rmtree(folder)


def test_llama_server_gives_our_llama_cpps_answers(desk: Desk) -> None:
    ours = desk.ask("llamacpp", desk.request("ours"))
    theirs = desk.ask("served", desk.request("theirs"))
    assert set(theirs) == set(ours) == {prompt.item_id for prompt in desk.prompts}
    # Another layout of batches may turn a near tie: all 40 were equal where this was measured.
    equal = [name for name in ours if ours[name]["token_ids"] == theirs[name]["token_ids"]]
    assert len(equal) >= ITEMS - 2
    for name in equal:
        same = ("text", "finish_reason", "prompt_tokens")
        assert [ours[name][key] for key in same] == [theirs[name][key] for key in same]
    assert all(row["generated_tokens"] is None for row in theirs.values())


def test_llama_server_is_timed_by_its_stream_as_llama_cpp_is_by_a_clock(desk: Desk) -> None:
    """How fast it is says the machine; that all figures are there and of one order is what is tested."""
    request = SpeedRequest(
        loadable=desk.base,
        prompt=desk.prompts[0].token_ids,
        generated_tokens=16,
        threads=THREADS,
        log=desk.folder / "speed.log",
    )
    meters = desk.tools.speed_meters
    served, ours = (
        meters[name].sample(request, run_worker, ignore_progress) for name in ("served", "llamacpp")
    )
    for sample in (served, ours):
        assert sample.peak_memory_bytes is not None
        assert sample.peak_memory_bytes > desk.base.path.stat().st_size
        assert sample.first_token_seconds > 0
        assert sample.generated_tokens_per_second > 0


def test_llama_server_killed_with_its_worker_leaves_nothing_and_the_run_goes_on(desk: Desk) -> None:
    request = desk.request("killed")

    def server() -> list[int]:
        path = str(desk.base.path)
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and _runs(folder, ("llama-server", path)):
                return [int(folder.name)]
        raise AssertionError("llama-server does not run")

    running = kill_worker_when(
        lambda: len(desk.answers(request)) >= 3, desk.tools.runtimes["served"], request, server
    )
    assert all_gone(running)
    kept = desk.answers(request)
    assert 3 <= len(kept) < ITEMS
    done = desk.ask("served", request)
    assert set(done) == {prompt.item_id for prompt in desk.prompts}
    assert {name: done[name] for name in kept} == kept


def test_the_audit_sees_that_llama_server_loads_tokenizes_and_answers(desk: Desk) -> None:
    texts = desk.folder / "texts.jsonl"
    rows = [{"id": p.item_id, "text": p.text, "token_ids": p.token_ids} for p in desk.prompts]
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    request = ProbeRequest(
        loadable=desk.base, texts=texts, threads=THREADS, log=desk.folder / "probe.log"
    )
    access = desk.tools.runtimes["served"].server_access()
    assert access is not None
    look = access.probe_served(request, desk.base, run_worker, ignore_progress)
    assert (look.loads, look.finite, look.mismatched_texts) == (True, True, ())
    assert "llama-server answers" in look.detail


def test_a_file_that_llama_server_refuses_is_a_report_with_its_words(desk: Desk) -> None:
    broken = desk.folder / "broken.gguf"
    broken.write_bytes(desk.base.path.read_bytes()[:100_000])
    request = ProbeRequest(
        loadable=Loadable(path=broken, format=Format.GGUF),
        texts=desk.folder / "broken-texts.jsonl",
        threads=THREADS,
        log=desk.folder / "broken.log",
    )
    request.texts.write_text(json.dumps({"id": "a", "text": "a", "token_ids": [1]}) + "\n")
    runtime = OpenAiServerRuntime(desk.server, FakeRuntime(template="x"))  # who sees no damage
    look = runtime.probe_served(request, desk.base, run_worker, ignore_progress)
    assert not look.loads
    assert "llama-server ended with exit code" in look.detail
    assert "file bounds" in look.detail or "failed to read" in look.detail, look.detail


def test_a_schema_binds_llama_servers_answers(desk: Desk) -> None:
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["cat", "dog"]}},
        "required": ["kind"],
        "additionalProperties": False,
    }
    prompt = Prompt(item_id="bound", token_ids=desk.prompts[0].token_ids, schema=json.dumps(schema))
    answers = desk.ask("served", desk.request("bound", (prompt,)))
    assert json.loads(answers["bound"]["text"])["kind"] in ("cat", "dog")


@pytest.mark.parametrize("form", ["text", "chat"])
def test_llama_server_reads_texts_and_messages_as_it_reads_ids(desk: Desk, form: Any) -> None:
    runtime = OpenAiServerRuntime(replace(desk.server, prompts=form), FakeRuntime())
    told = {}
    raw = replace(desk.prompts[0], item_id="raw", chat=None)  # what is no conversation is completed
    for name, asked in (("ids", desk.tools.runtimes["served"]), (form, runtime)):
        request = desk.request(f"form-{form}-{name}", (*desk.prompts[:8], raw))
        asked.answer(request, run_worker, ignore_progress)
        told[name] = {key: row["text"] for key, row in desk.answers(request).items()}
    assert len(told["ids"]) == 9
    assert told[form] == told["ids"]


def test_samples_differ_and_come_again_with_their_seed(desk: Desk) -> None:
    runtime = OpenAiServerRuntime(replace(desk.server, concurrency=1), FakeRuntime())
    prompts = tuple(
        Prompt(item_id=name, token_ids=(5, 6, 7), temperature=1.5, max_tokens=24)
        for name in ("one", "one#2", "one#3")
    )
    texts = []
    for number in range(2):
        request = desk.request(f"samples-{number}", prompts)
        runtime.answer(request, run_worker, ignore_progress)
        texts.append({name: row["text"] for name, row in desk.answers(request).items()})
    assert texts[0] == texts[1]
    assert len(set(texts[0].values())) == 3


def test_a_stop_text_ends_an_answer_and_a_limit_is_told(desk: Desk) -> None:
    first = desk.prompts[0]
    prompts = (
        Prompt(item_id="stopped", token_ids=first.token_ids, stop=('"arguments"',)),
        Prompt(item_id="cut", token_ids=first.token_ids, max_tokens=3),
    )
    assert isinstance(desk.decode, DecodeSettings)
    answers = desk.ask("served", desk.request("stopped", prompts))
    assert answers["stopped"]["text"].startswith('{"name"')
    assert "arguments" not in answers["stopped"]["text"]
    assert answers["stopped"]["finish_reason"] == "stop"
    assert (answers["cut"]["finish_reason"], len(answers["cut"]["token_ids"])) == ("length", 3)


def _runs(folder: Path, words: tuple[str, ...]) -> bool:
    try:
        command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    named = all(any(word in part for part in command) for word in words)
    return named and words[0] in Path(command[0]).name
