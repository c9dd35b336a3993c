import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.errors import InputError, WorkerError
from quantgate.pipelines.domain.server import Server, decides_tokens
from quantgate.pipelines.engines.openai.messages import Served
from quantgate.pipelines.engines.openai.runtime import OpenAiServerRuntime
from quantgate.pipelines.engines.openai.started_servers import StartedServers, server_environment
from quantgate.pipelines.engines.openai.versions import identified
from quantgate.pipelines.engines.openai.workers.answer import answer
from quantgate.pipelines.engines.openai.workers.probe import probe
from quantgate.pipelines.engines.requests import AnswerRequest, Loadable, ProbeRequest
from quantgate.pipelines.engines.runtime import kept
from quantgate.pipelines.process.calls import OnProgress, WorkerCall, WorkerReply, ignore_progress
from quantgate.pipelines.process.devices.placement import device_environment
from tests.support.fakes import FakeRuntime
from tests.support.graphics import H200, machine_with
from tests.support.servers.served import COMMAND, Site, all_gone


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def in_this_process(
    call: WorkerCall, reply_type: type[Any], on_progress: OnProgress
) -> WorkerReply[Any]:
    """Run the server's workers here: a process of their own adds nothing to what is tested."""
    request = call.request
    assert isinstance(request, Served)
    if isinstance(request.request, ProbeRequest):
        return WorkerReply(value=probe(request, on_progress), seconds=0.0, peak_memory_bytes=0)
    assert isinstance(request.request, AnswerRequest)
    return WorkerReply(value=answer(request, on_progress), seconds=0.0, peak_memory_bytes=0)


def starts(site: Site) -> int:
    """How many servers were started."""
    return len((site.folder / "starts").read_text().split())


def counted(site: Site, *options: str) -> Server:
    """A server that notes each of its starts."""
    command = (*COMMAND, "--starts", str(site.folder / "starts"), *options)
    return site.server(command=command)


def runtime(site: Site, server: Server) -> OpenAiServerRuntime:
    return OpenAiServerRuntime(server, FakeRuntime())


def test_one_server_serves_the_look_and_every_portion_of_the_run(site: Site) -> None:
    served = runtime(site, counted(site))
    request = replace(site.request(), context_tokens=64)
    file = request.loadable
    with kept(served, file):
        look = served.probe_served(
            replace(site.look_request({"ab": [1]}), context_tokens=64), file, in_this_process,
            ignore_progress,
        )  # fmt: skip
        for number in range(3):
            portion = replace(request, answers=site.folder / f"{number}.jsonl")
            served.answer(portion, in_this_process, ignore_progress)
    assert look.loads
    assert look.startup_seconds is not None
    assert 0 < look.startup_seconds < 60
    assert starts(site) == 1


def test_without_a_block_each_call_has_a_server_of_its_own(site: Site) -> None:
    served = runtime(site, counted(site))
    for number in range(2):
        portion = replace(site.request(), answers=site.folder / f"{number}.jsonl")
        served.answer(portion, in_this_process, ignore_progress)
    assert starts(site) == 2


def test_a_kept_server_that_died_or_is_asked_otherwise_is_started_anew(site: Site) -> None:
    desk, serving = StartedServers(), site.serving(counted(site))
    with desk.kept(site.model):
        with desk.serving(serving) as first:
            wait_for(lambda: starts(site) == 1)
        with desk.serving(replace(serving, server_log=site.folder / "another.log")) as same:
            assert same.url == first.url
        with desk.serving(
            replace(serving, loadable=replace(site.loadable, kv_cache="q8_0"))
        ) as other:
            wait_for(lambda: starts(site) == 2)
        pid = int((site.folder / "starts").read_text().split()[-1])
        os.kill(pid, signal.SIGKILL)
        assert all_gone([pid])
        wait_for(lambda: other.died() is not None)
        with desk.serving(replace(serving, loadable=replace(site.loadable, kv_cache="q8_0"))):
            wait_for(lambda: starts(site) == 3)
    assert all_gone([int(pid) for pid in (site.folder / "starts").read_text().split()])


def wait_for(what: Any) -> None:
    until = time.monotonic() + 60  # other work may take the processors
    while time.monotonic() < until:
        try:
            if what():
                return
        except FileNotFoundError:
            pass
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def test_a_file_is_held_not_to_load_only_where_its_base_does(site: Site) -> None:
    base = site.folder / "base.gguf"
    base.write_text("weights")
    request, control = site.look_request({"ab": [1]}), Loadable(path=base, format=None)
    picky = runtime(
        site, site.server(command=(*COMMAND, "--behave", "refuse", "--only", "model.gguf"))
    )
    look = picky.probe_served(request, control, in_this_process, ignore_progress)
    assert (look.loads, look.finite) == (False, None)
    assert "unknown tensor type" in look.detail
    refusing = runtime(site, site.server(command=(*COMMAND, "--behave", "refuse")))
    with pytest.raises(WorkerError, match="neither with this file nor with its base"):
        refusing.probe_served(request, control, in_this_process, ignore_progress)


def test_a_server_that_ends_over_a_file_only_once_has_loaded_it(site: Site) -> None:
    base = site.folder / "base.gguf"
    base.write_text("weights")
    request, control = site.look_request({"ab": [1]}), Loadable(path=base, format=None)
    once = runtime(site, counted(site, "--behave", "refuse once", "--only", "model.gguf"))
    assert once.probe_served(request, control, in_this_process, ignore_progress).loads


def test_a_base_is_started_twice_before_it_is_held_not_to_load(site: Site) -> None:
    request = site.look_request({"ab": [1]})
    refusing = runtime(site, counted(site, "--behave", "refuse"))
    look = refusing.probe_served(request, request.loadable, in_this_process, ignore_progress)
    assert not look.loads
    assert starts(site) == 2


def test_the_native_look_stays_what_it_was(site: Site) -> None:
    served = runtime(site, site.server(command=(*COMMAND, "--behave", "refuse")))
    found = served.probe(site.look_request({"ab": [1]}), in_this_process, ignore_progress)
    assert (found.loads, found.finite_logits) == (True, True)


def test_a_server_gets_what_was_planned_and_nothing_else_that_changes_tokens(site: Site) -> None:
    outer = {
        "PATH": "/bin", "VLLM_ATTENTION_BACKEND": "A", "CUDA_VISIBLE_DEVICES": "1",
        "OMP_NUM_THREADS": "2", "VLLM_API_KEY": "s3cret-value", "LLAMA_ARG_FLASH_ATTN": "on",
    }  # fmt: skip
    stated = site.server(command=COMMAND, environment={"VLLM_CPU_KVCACHE_SPACE": "1"})
    planned = identified(stated, outer=outer)
    assert planned.environment == {
        "LLAMA_ARG_FLASH_ATTN": "on", "VLLM_ATTENTION_BACKEND": "A", "VLLM_CPU_KVCACHE_SPACE": "1",
    }  # fmt: skip
    later = {**outer, "VLLM_ATTENTION_BACKEND": "B", "GGML_SCHED": "x"}
    given = server_environment(planned, later)
    assert given["VLLM_ATTENTION_BACKEND"] == "A"
    assert "GGML_SCHED" not in given
    assert given["VLLM_API_KEY"] == "s3cret-value"
    assert (given["OMP_NUM_THREADS"], given["CUDA_VISIBLE_DEVICES"]) == ("2", "1")


def test_another_environment_is_another_contract(site: Site) -> None:
    def version(**outer: str) -> str:
        planned = identified(site.server(command=COMMAND), outer=outer)
        return runtime(site, planned).identity(None).version

    assert version(PATH="/a") == version(PATH="/b", CUDA_VISIBLE_DEVICES="1")
    assert version(VLLM_USE_V2="1") != version(VLLM_USE_V2="0")
    assert not decides_tokens("VLLM_API_KEY")


def test_a_server_on_a_gpu_is_named_by_what_this_machine_chose(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    stated = site.server(command=COMMAND, device="gpu")
    machine_with(monkeypatch, site.folder / "without", [])
    with pytest.raises(InputError, match="none is used here"):
        identified(stated)
    machine_with(monkeypatch, site.folder / "with", [H200])
    assert identified(stated).device == H200.kind
    assert device_environment()["CUDA_VISIBLE_DEVICES"] == H200.uuid  # what it will see


def test_a_version_is_remembered_until_the_program_changes(site: Site) -> None:
    program, memory = site.folder / "engine", site.folder / "memory.json"

    def write(version: str) -> None:
        program.write_text(
            f"#!/bin/sh\necho asked >> {site.folder}/asked\necho version: {version}\n"
        )
        program.chmod(0o755)

    write("1.0")
    unknown = replace(site.server(command=(str(program), "x")), version=None)
    assert [identified(unknown, memory).version for _ in range(3)] == ["1.0"] * 3
    assert len((site.folder / "asked").read_text().split()) == 1
    write("1.0.1")
    assert identified(unknown, memory).version == "1.0.1"
    memory.write_text("damaged")
    assert identified(unknown, memory).version == "1.0.1"
    assert len((site.folder / "asked").read_text().split()) == 3


def test_a_version_is_not_mistaken_for_a_warning_with_the_time_of_day(site: Site) -> None:
    program = site.folder / "engine"
    for said, version in (
        ("WARNING 11-29 14:28:32 [utils.py:255] ulimit 20000\\n0.32.0+cpu", "0.32.0+cpu"),
        ("built with gcc 12.2\\nversion: 5 (abc)", "5 (abc)"),
        ("engine 7", "engine 7"),
    ):
        program.write_text(f"#!/bin/sh\nprintf '{said}\\n'\n")
        program.chmod(0o755)
        unknown = replace(site.server(command=(str(program), "x")), version=None)
        assert identified(unknown).version == version


def test_a_packages_upgrade_is_seen_behind_the_script_that_starts_it(site: Site) -> None:
    packages = site.folder / "venv" / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    interpreter = site.folder / "venv" / "bin" / "python"
    interpreter.parent.mkdir()
    interpreter.write_text(
        "#!/bin/sh\nls ../venv/lib/python3.11/site-packages 2>/dev/null; echo v1\n"
    )
    interpreter.chmod(0o755)
    program, memory = interpreter.parent / "engine", site.folder / "memory.json"
    program.write_text(f"#!{interpreter}\n")
    program.chmod(0o755)
    unknown = replace(site.server(command=(str(program), "x")), version=None)
    identified(unknown, memory)
    before = memory.read_text()
    (packages / "engine-2.dist-info").mkdir()
    identified(unknown, memory)
    assert memory.read_text() != before
