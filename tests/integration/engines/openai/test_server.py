"""Server runtimes in child processes: a fake one that obeys the protocol, and llama.cpp's own."""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.engines.openai.runtime import OpenAiServerRuntime
from quantgate.pipelines.engines.requests import AnswerRequest, Loadable, ProbeRequest, Prompt
from quantgate.pipelines.engines.runtime import Runtime
from quantgate.pipelines.engines.timing.meter import SpeedRequest
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.fakes import FakeRuntime
from tests.support.llamacpp.oracles import oracle
from tests.support.project import EXAMPLE
from tests.support.servers.desk import THREADS, Desk
from tests.support.servers.features import (
    a_schema_binds,
    answers_are,
    forms_agree,
    samples_come_again,
    stops_and_limits_hold,
)
from tests.support.servers.openai_fake import fake_server
from tests.support.servers.served import COMMAND, Site, all_gone, parent_of

pytestmark = pytest.mark.integration

ITEMS = 40


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


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    server = Server(
        name="served",
        engine="llama-server",
        formats=(Format.GGUF,),
        device="cpu",
        command=(
            str(oracle("llama-server")), "--model", "{model}", "--host", "127.0.0.1", "--port", "{port}",
            "--threads", "{threads}", "--parallel", "{slots}", "--no-kv-unified",
            "--ctx-size", "{total_context}", "--cache-type-k", "{kv}",
            "--cache-type-v", "{kv}", "--offline", "--no-ui",
        ),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("desk")
    yield Desk(folder, server, ITEMS, EXAMPLE / "checkpoint")
    shutil.rmtree(folder)


def test_llama_server_gives_our_llama_cpps_answers(desk: Desk) -> None:
    theirs = desk.ask("served", desk.request("theirs"))
    answers_are(desk, "llamacpp", theirs, near_ties=2)  # all 40 were equal where this was measured
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
    request = desk.look_request()
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
    a_schema_binds(desk)


def test_llama_server_reads_texts_and_messages_as_it_reads_ids(desk: Desk) -> None:
    forms_agree(desk, ("ids", "text", "chat"))


def test_samples_differ_and_come_again_with_their_seed(desk: Desk) -> None:
    samples_come_again(desk, Prompt(item_id="one", token_ids=(5, 6, 7)))


def test_a_stop_text_ends_an_answer_and_a_limit_is_told(desk: Desk) -> None:
    assert len(stops_and_limits_hold(desk)["cut"]["token_ids"]) == 3


def _runs(folder: Path, words: tuple[str, ...]) -> bool:
    try:
        command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    named = all(any(word in part for part in command) for word in words)
    return named and words[0] in Path(command[0]).name
