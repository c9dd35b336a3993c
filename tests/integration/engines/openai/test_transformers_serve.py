"""`transformers serve`: what it does with what it is sent, and builds judged in it, started by us or running.

It is a program of transformers, which the lock pins; it wants the package `openai`, which dev.lock adds.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.errors import QuantgateError, WorkerError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.engines.openai.process import Launch, free_port, started
from quantgate.pipelines.engines.openai.runtime import OpenAiServerRuntime
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.builds.road import Road, leftovers, make_road, orchestrated
from tests.support.fakes import FakeRuntime
from tests.support.servers.desk import Desk, checkpoint_that_shows_tools
from tests.support.servers.features import (
    answers_are,
    forms_agree,
    samples_come_again,
    stops_and_limits_hold,
    tools_and_variables_reach_the_template,
)
from tests.support.servers.gateway import Gateway, gateway
from tests.support.servers.served import all_gone

PROGRAM = str(Path(sys.executable).parent / "transformers")
ITEMS = 16
OPTIONS = "--host 127.0.0.1 --port {port} --device cpu --dtype bfloat16"
pytestmark = [pytest.mark.integration, pytest.mark.slow]


def server(**fields: Any) -> Server:
    """The one that is started where nothing else is said."""
    given: dict[str, Any] = {"command": (PROGRAM, "serve", "{model}", *OPTIONS.split())} | fields
    if given.get("url"):
        given["command"] = ()
    return Server(
        name="served",
        engine="transformers-serve",
        formats=(Format.COMPRESSED_TENSORS,),
        device="cpu",
        compute_dtype="bfloat16",
        concurrency=1,
        prompts="chat",
        **given,
    )


@contextmanager
def running(log: Path) -> Iterator[str]:
    """One that somebody else started: without a model, it loads what it is asked for."""
    port = free_port()
    command = [PROGRAM, "serve", *OPTIONS.format(port=port).split()]
    launch = Launch(
        command=tuple(command),
        environment=os.environ | {"HF_HUB_OFFLINE": "1"},
        engine="transformers-serve",
        url=f"http://127.0.0.1:{port}",
        log=log,
    )
    with started(launch) as server_running:
        server_running.wait_until_ready(lambda: "startup complete" in server_running.output(), 300)
        yield launch.url


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("running") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def desk(url: str, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    return Desk(folder, server(url=url, version="5"), ITEMS, checkpoint_that_shows_tools(folder))


def test_its_answers_are_those_of_transformers(desk: Desk) -> None:
    answers_are(desk, "transformers", desk.ask("served", desk.request("theirs")), near_ties=1)


def test_it_reads_messages_and_plain_text(desk: Desk) -> None:
    forms_agree(desk, ("chat",))


def test_samples_differ_and_come_again_with_their_seed(desk: Desk) -> None:
    samples_come_again(desk, replace(desk.prompts[0], temperature=6.0))  # it is sure of a request


def test_a_stop_text_ends_an_answer_and_a_limit_is_told(desk: Desk) -> None:
    answers = stops_and_limits_hold(desk)
    assert answers["cut"]["generated_tokens"] == 3


def test_tools_and_variables_reach_the_chat_template(desk: Desk) -> None:
    tools_and_variables_reach_the_template(desk)


def test_a_look_at_it_says_what_it_does_not_tell(desk: Desk) -> None:
    access = desk.runtime.server_access()
    assert access is not None
    look = access.probe_served(desk.look_request(), desk.base, run_worker, ignore_progress)
    assert (look.loads, look.finite, look.compared_texts, look.kernels) == (True, None, 0, ())


def test_killed_while_it_loads_and_while_it_answers_it_is_an_error_and_the_run_goes_on(
    desk: Desk,
) -> None:
    log = desk.folder / "killed.server.log"
    runtime = OpenAiServerRuntime(replace(server(), version="5"), FakeRuntime())
    loading = killed_when(lambda: log.exists(), runtime, desk, "killed")
    assert "SIGKILL" in loading and not desk.answers(desk.request("killed"))
    request = desk.request("killed")
    answering = killed_when(lambda: len(desk.answers(request)) >= 2, runtime, desk, "killed")
    assert "SIGKILL" in answering
    kept = desk.answers(request)
    assert 2 <= len(kept) < ITEMS
    done = desk.ask("served", request)
    assert {name: done[name] for name in kept} == kept
    assert len(done) == ITEMS


def killed_when(ready: Any, runtime: OpenAiServerRuntime, desk: Desk, name: str) -> str:
    """Kill the started server as soon as `ready`; returns what the run said of its end."""
    errors: list[QuantgateError] = []

    def run() -> None:
        try:
            runtime.answer(desk.request(name), run_worker, ignore_progress)
        except QuantgateError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while not (ready() and serving()) and thread.is_alive():
        time.sleep(0.01)
    pids = serving()
    os.kill(pids[0], signal.SIGKILL)
    thread.join()
    assert all_gone(pids)
    return str(errors[0])


def serving() -> list[int]:
    """Servers with a model, which only tests start that kill them."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0") if folder.name.isdigit() else []
        except OSError:  # it has ended
            continue
        if (
            PROGRAM.encode() in words[1:2]
            and b"serve" in words
            and b"shows-tools" in b" ".join(words)
        ):
            found.append(int(folder.name))
    return found


def test_too_little_memory_is_an_error_and_never_a_finding(desk: Desk) -> None:
    limited = ("prlimit", "--as=700000000", PROGRAM, "serve", "{model}", *OPTIONS.split())
    runtime = OpenAiServerRuntime(replace(server(command=limited), version="5"), FakeRuntime())
    with pytest.raises(WorkerError) as ended:
        runtime.probe_served(desk.look_request(), desk.base, run_worker, ignore_progress)
    assert "MemoryError" in str(ended.value) or "memory" in str(ended.value), ended.value


BUILD = """judge_in: desk
servers:
  desk:
    engine: transformers-serve
    formats: [compressed-tensors]
    device: cpu
    compute_dtype: bfloat16
    concurrency: 1
    prompts: chat
"""


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    road = make_road(tmp_path_factory.mktemp("served"), ("W8A8", "FP8_DYNAMIC"), items_a_slice=4)
    (road.folder / "policy.yaml").write_text("reference_runs: 1\n")
    road = orchestrated(road)
    plain = (road.folder / "build.yaml").read_text()
    (road.folder / "build.yaml").write_text(
        plain + BUILD + f"    command: {PROGRAM} serve {{model}} {OPTIONS}\n"
        '    environment: {HF_HUB_OFFLINE: "1"}\n'
    )
    return road


def rows(finished: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert finished.returncode in (0, 10, 11), finished.stderr
    assert "Traceback" not in finished.stderr
    return {row["identifier"]: row for row in json.loads(finished.stdout)["variants"]}


def texts(store: Path, url: bool) -> dict[str, dict[str, str]]:
    """Answers by subject, of runs in a server that was started or that ran already."""
    said = {}
    for manifest in (store / "runs").glob("*/manifest.json"):
        plan = json.loads(manifest.read_text())["record"]["plan"]
        if plan["contract"]["runtime"]["version"].startswith("5.17.0") is not url:
            transcript = (manifest.parent / "transcript.jsonl").read_text().splitlines()
            said[plan["subject"]] = {
                row["item_id"]: row["text"] for row in map(json.loads, transcript)
            }
    return said


def test_a_build_is_judged_in_one_that_is_started_and_in_one_that_runs_behind_a_faulty_proxy(
    road: Road, url: str
) -> None:
    judged = rows(road.run(*road.build, "--anyway", "--json"))
    assert set(judged) == {"support-llama--W8A8", "support-llama--FP8_DYNAMIC"}
    assert {row["decision"] for row in judged.values()} <= {"pass", "inconclusive"}, judged
    state = Gateway(upstreams={"": url}, fault_every=4)
    with gateway(state) as address:
        spec = (road.folder / "build.yaml").read_text()
        begins, _, _ = spec.partition("    command:")
        (road.folder / "running.yaml").write_text(
            f'{begins}    url: {address}\n    version: "running 5"\n'
        )
        build = ("quantize", "--build", str(road.folder / "running.yaml"), "--anyway", "--json")
        again = rows(road.run(*build))
    assert {name: row["decision"] for name, row in again.items()} == {
        name: row["decision"] for name, row in judged.items()
    }
    said = texts(road.store, url=False)
    assert len(said) == 3, "the base and two variants"
    assert texts(road.store, url=True) == said
    assert all(count >= 1 for count in state.faults.values()), state.faults
    assert leftovers(road.store) == []
