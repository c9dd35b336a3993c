"""A real vLLM that runs already: what it does with what it is sent, also behind a faulty proxy."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from quantgate.pipelines.domain.errors import QuantgateError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.engines.openai.runtime import OpenAiServerRuntime
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.engines.timing.meter import SpeedRequest
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.fakes import FakeRuntime
from tests.support.servers.desk import THREADS, Desk, checkpoint_that_shows_tools
from tests.support.servers.features import (
    a_schema_binds,
    answers_are,
    forms_agree,
    samples_come_again,
    stops_and_limits_hold,
    tools_and_variables_reach_the_template,
)
from tests.support.servers.gateway import Gateway, gateway
from tests.support.servers.vllm import (
    NO_VLLM,
    STARTUP_SECONDS,
    VARIABLES,
    VLLM,
    engines_of,
    running_vllm,
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(NO_VLLM is not None, reason=str(NO_VLLM)),
]
ITEMS = 24
COMPACT = '{"backend": "xgrammar", "disable_any_whitespace": true}'
"""Else it lets blanks stand within a bound answer: an unsure model filled its limit with them."""
PARSER = """
from vllm.tool_parsers import ToolParserManager
from vllm.tool_parsers.xlam_tool_parser import xLAMToolParser

class OneCall(xLAMToolParser):
    def extract_tool_calls(self, model_output, request):
        return super().extract_tool_calls(f"[{model_output}]", request)

ToolParserManager.register_module(name="one_call", module=OneCall)
"""
"""vLLM's own parsers want marks around a call, or a list: the example's model says one call as JSON."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    checkpoint = checkpoint_that_shows_tools(folder)
    (folder / "one_call.py").write_text(PARSER)
    plugin = ("--tool-parser-plugin", str(folder / "one_call.py"))
    parsing = ("--enable-auto-tool-choice", "--tool-call-parser", "one_call", *plugin)
    binding = ("--structured-outputs-config", COMPACT)
    with running_vllm(checkpoint, folder / "vllm.log", *parsing, *binding) as url:
        server = Server(
            name="served",
            engine="vllm",
            formats=(Format.COMPRESSED_TENSORS,),
            device="cpu",
            compute_dtype="bfloat16",
            concurrency=8,
            url=url,
        )
        yield Desk(folder, server, ITEMS, checkpoint)


def test_its_answers_to_token_ids_are_those_of_transformers(desk: Desk) -> None:
    answers = desk.ask("served", desk.request("theirs"))
    answers_are(desk, "transformers", answers, near_ties=1)
    assert all(row["token_ids"] for row in answers.values())


def test_it_reads_texts_and_messages_as_it_reads_ids(desk: Desk) -> None:
    forms_agree(desk, ("ids", "text", "chat"))


def test_samples_differ_and_come_again_with_their_seed(desk: Desk) -> None:
    samples_come_again(desk, Prompt(item_id="one", token_ids=(5, 6, 7)))


def test_a_stop_text_ends_an_answer_and_a_limit_is_told(desk: Desk) -> None:
    assert len(stops_and_limits_hold(desk)["cut"]["token_ids"]) == 3


def test_a_schema_binds_completions_and_chats(desk: Desk) -> None:
    a_schema_binds(desk)
    a_schema_binds(desk, prompts="chat")


def test_tools_and_variables_reach_the_chat_template_and_calls_are_put_back(desk: Desk) -> None:
    answers = tools_and_variables_reach_the_template(desk)
    # With the spaces of our JSON: vLLM took the calls out of texts, and they were put back.
    assert all(row["text"].startswith('{"name": "') for row in answers.values()), answers


def test_a_look_compares_token_ids_and_log_probabilities(desk: Desk) -> None:
    access = desk.runtime.server_access()
    assert access is not None
    request = replace(desk.look_request(), context_tokens=512)
    look = access.probe_served(request, desk.base, run_worker, ignore_progress)
    assert (look.loads, look.finite, look.mismatched_texts) == (True, True, ())
    assert look.compared_texts == ITEMS


def test_behind_a_proxy_that_fails_now_and_then_the_answers_are_the_same(desk: Desk) -> None:
    direct = desk.ask("served", desk.request("direct"))
    state = Gateway(upstreams={"": desk.server.url or ""}, fault_every=4)
    with gateway(state) as url:
        proxied = desk.ask_otherwise("proxied", url=url)
    assert state.faults["429"] and state.faults["502"] and state.faults["cut"]
    assert {name: row["text"] for name, row in proxied.items()} == {
        name: row["text"] for name, row in direct.items()
    }


def test_its_stream_is_timed(desk: Desk) -> None:
    """How fast it is says the machine; docs/runtimes.md has the figures beside vLLM's own benchmark."""
    request = SpeedRequest(
        loadable=desk.base,
        prompt=desk.prompts[0].token_ids,
        generated_tokens=32,
        threads=THREADS,
        log=desk.folder / "speed.log",
    )
    sample = desk.tools.speed_meters["served"].sample(request, run_worker, ignore_progress)
    assert sample.first_token_seconds > 0
    assert sample.generated_tokens_per_second > 1
    assert sample.peak_memory_bytes is None  # somebody else's process


def test_an_engine_killed_while_it_answers_is_an_error_and_the_run_goes_on(desk: Desk) -> None:
    command = (
        VLLM,
        "serve",
        "{model}",
        "--port",
        "{port}",
        "--host",
        "127.0.0.1",
        "--dtype",
        "bfloat16",
    )
    limits = ("--enforce-eager", "--max-model-len", "512", "--max-num-seqs", "1")
    slow = replace(
        desk.server,
        url=None,
        command=command + limits,
        concurrency=1,
        environment=VARIABLES,
        startup_timeout_seconds=STARTUP_SECONDS,
    )
    rambling = tuple(
        Prompt(item_id=str(number), token_ids=(5, 6, 7 + number), max_tokens=300)
        for number in range(12)
    )
    request = desk.request("killed", rambling)
    others = engines_of(os.getpid())  # that of the server which runs already
    errors: list[QuantgateError] = []

    def run() -> None:
        try:
            OpenAiServerRuntime(slow, FakeRuntime()).answer(request, run_worker, ignore_progress)
        except QuantgateError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while len(desk.answers(request)) < 3 and thread.is_alive():
        time.sleep(0.01)
    (engine,) = set(engines_of(os.getpid())) - set(others)
    os.kill(engine, signal.SIGKILL)
    thread.join()
    assert "vllm" in str(errors[0])
    kept = desk.answers(request)
    assert 3 <= len(kept) < len(rambling)
    done = desk.ask("served", request)
    assert {name: done[name] for name in kept} == kept
    assert len(done) == len(rambling)
