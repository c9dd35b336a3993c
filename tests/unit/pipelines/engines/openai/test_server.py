import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.errors import InputError, ServiceError, ToolchainError, WorkerError
from quantgate.pipelines.domain.recipe import Format, Recipe
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.engines.openai.runtime import OpenAiServerRuntime
from quantgate.pipelines.engines.openai.versions import identified
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.store import VARIANT_FILES, Store
from quantgate.pipelines.process.calls import Progress
from quantgate.pipelines.specs.recipes import catalogue
from tests.support.fakes import FakeRuntime
from tests.support.servers.openai_fake import FakeEngine, Fault, fake_server
from tests.support.servers.served import COMMAND, Site, all_gone

Q8 = next(recipe for recipe in catalogue() if recipe.name == "Q8_0")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_every_prompt_is_answered_with_as_many_requests_at_once_as_allowed(site: Site) -> None:
    engine = site.engine(seconds=0.05)
    heard: list[Progress] = []
    with fake_server(engine) as url:
        tally = site.ask(site.server(url=url, concurrency=3), heard.append)
    assert (tally.answered, tally.resumed) == (12, 0)
    assert {name: row["token_ids"] for name, row in site.answers().items()} == {
        name: [101 + number] for number, name in enumerate(site.ids)
    }
    assert engine.most_under_way == 3
    assert heard[-1].done == heard[-1].total == 12


def test_one_at_a_time_keeps_the_prompts_order(site: Site) -> None:
    engine = site.engine()
    with fake_server(engine) as url:
        site.ask(site.server(url=url, concurrency=1))
    assert [len(request["prompt"]) for request in engine.requests] == list(range(1, 13))
    assert list(site.answers()) == site.ids


def test_after_an_error_nothing_more_is_sent_and_what_was_answered_is_kept(site: Site) -> None:
    engine = site.engine(faults=[Fault(), Fault(), Fault(status=400, body=b'{"error": "no"}')])
    with fake_server(engine) as url:
        server = site.server(url=url, concurrency=1)
        with pytest.raises(ServiceError, match="item item-2: HTTP 400: no"):
            site.ask(server)
        assert len(engine.requests) <= 4  # one was under way already
        assert {"item-0", "item-1"} <= set(site.answers())
        found = len(site.answers())
        tally = site.ask(server)
    assert (tally.resumed, tally.answered) == (found, 12 - found)
    assert set(site.answers()) == set(site.ids)


def test_a_finished_run_asks_nobody(site: Site) -> None:
    with fake_server(site.engine()) as url:
        site.ask(site.server(url=url))
    assert site.ask(site.server(url="http://127.0.0.1:9")).answered == 0


def test_a_model_that_changes_in_the_middle_is_an_error(site: Site) -> None:
    engine = site.engine(faults=[Fault(), Fault(patch={"model": "another"})])
    with fake_server(engine) as url, pytest.raises(ServiceError, match="answered by another"):
        site.ask(site.server(url=url, concurrency=1))


def test_a_prompt_that_the_server_adds_tokens_to_is_an_error(site: Site) -> None:
    with (
        fake_server(site.engine(added_tokens=1)) as url,
        pytest.raises(ServiceError, match="our prompt has 1 tokens and the server counts 2"),
    ):
        site.ask(site.server(url=url, concurrency=1))


@pytest.mark.parametrize("engine_name", ["llama-server", "vllm"])
def test_a_server_that_loaded_another_file_is_refused(site: Site, engine_name: str) -> None:
    engine = FakeEngine(engine=engine_name, model_path="/elsewhere/model.gguf")
    with (
        fake_server(engine) as url,
        pytest.raises(ServiceError, match=r"does not serve .*model\.gguf"),
    ):
        site.ask(site.server(url=url, engine=engine_name))
    assert engine.requests == []


def test_a_running_server_is_asked_by_the_name_that_the_build_file_gives(site: Site) -> None:
    engine = site.engine(engine="other", served_name=f"{site.folder.name}-q8")
    with fake_server(engine) as url:
        site.ask(site.server(url=url, engine="other", model_name="{folder}-q8"))
        assert {request["model"] for request in engine.requests} == {engine.served_name}
        (site.folder / "answers.jsonl").unlink()
        with pytest.raises(ServiceError, match="does not serve nothing-such: it serves"):
            site.ask(site.server(url=url, engine="other", model_name="nothing-such"))


def test_a_variant_is_asked_for_by_its_folder_in_the_store_and_not_by_the_one_of_its_files(
    site: Site,
) -> None:
    path = Store(root=site.folder).variant("demo--Q8_0", digest_of("q8")) / VARIANT_FILES
    path.mkdir(parents=True)
    site.model = site.model.rename(path / "model.gguf")
    site.loadable = replace(site.loadable, path=site.model)
    engine = site.engine(engine="other", served_name=path.parent.name)
    with fake_server(engine) as url:
        site.ask(site.server(url=url, engine="other", model_name="{folder}"))
        (site.folder / "answers.jsonl").unlink()
        with pytest.raises(ServiceError, match=f"does not serve of-{path.parent.name}") as caught:
            site.ask(site.server(url=url, engine="other", model_name="of-{folder}"))
    assert str(site.model) in str(caught.value.next_step), "what has to be served there"


def test_an_address_without_openais_interface_is_refused_while_planning(site: Site) -> None:
    with fake_server(site.engine(engine="other")) as url:
        beside = site.server(url=f"{url}/elsewhere", engine="other")
        with pytest.raises(ServiceError, match="gives no list of models") as caught:
            identified(beside)
    assert f"{url}/elsewhere/v1" in str(caught.value.next_step)


def test_a_name_alone_is_not_guessed(site: Site) -> None:
    engine = site.engine(engine="other")
    with fake_server(engine) as url, pytest.raises(ServiceError, match="it serves model") as caught:
        site.ask(site.server(url=url, engine="other"))
    assert "model_name" in str(caught.value)


@pytest.mark.parametrize("release", ["sglang", "sglang-0.4"])
def test_an_sglang_tells_version_and_model_where_its_release_has_them(
    site: Site, release: str
) -> None:
    engine = site.engine(engine=release, version="0.5.23")
    with fake_server(engine) as url:
        server = site.server(url=url, engine="sglang")
        assert identified(server).version == "0.5.23"
        site.ask(replace(server, version="0.5.23"))
        engine.model_path = "/another.gguf"
        (site.folder / "answers.jsonl").unlink()
        with pytest.raises(ServiceError, match=r"it loaded /another\.gguf"):
            site.ask(replace(server, version="0.5.23"))


def test_a_server_that_lists_no_models_is_asked_by_path_and_held_to_its_replies(site: Site) -> None:
    path = str(site.model.resolve())
    engine = site.engine(engine="transformers-serve", served_name=f"{path}@main")
    with fake_server(engine) as url:
        server = site.server(url=url, engine="transformers-serve", prompts="text", concurrency=1)
        site.ask(server)
        assert {request["model"] for request in engine.requests} == {path}
        assert identified(replace(server, version="5")).version == "5"


def test_a_server_replaced_since_the_plan_is_refused(site: Site) -> None:
    with (
        fake_server(site.engine(version="b2")) as url,
        pytest.raises(ServiceError, match="was version b1 when this build was planned and is b2"),
    ):
        site.ask(site.server(url=url))


def test_the_key_goes_to_the_server_and_into_no_file(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_KEY", "sk-secret-1")
    engine = site.engine()
    with fake_server(engine) as url:
        site.ask(site.server(url=url, api_key_env="FAKE_KEY"))
    assert set(engine.keys) == {"Bearer sk-secret-1"}
    for path in site.folder.rglob("*"):
        assert not path.is_file() or b"sk-secret-1" not in path.read_bytes()
    monkeypatch.delenv("FAKE_KEY")
    with pytest.raises(InputError, match="FAKE_KEY is not set"):
        site.look(site.server(url="http://127.0.0.1:9", api_key_env="FAKE_KEY"), {})


def test_messages_are_sent_where_a_server_takes_nothing_else(site: Site) -> None:
    chat: dict[str, Any] = {"messages": [{"role": "user", "content": "one two three"}]}
    prompt = Prompt(item_id="item-0", token_ids=(1, 2, 3), chat=chat)
    (site.folder / "prompts.jsonl").write_text(json.dumps(to_json(prompt)) + "\n")
    engine = site.engine(engine="other")
    with fake_server(engine) as url:
        site.ask(site.server(url=url, engine="other", prompts="chat", model_name="model"))
    assert engine.requests[0]["messages"] == chat["messages"]
    assert site.answers()["item-0"]["text"] == "read 3 tokens"


def test_half_an_emoji_leaves_a_run_that_can_be_sealed_and_read(site: Site) -> None:
    half = json.dumps(
        {
            "model": "model",
            "choices": [{"text": "so \ud83d", "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        }
    ).encode()
    assert b"\\ud83d" in half
    with fake_server(site.engine(faults=[Fault(body=half)])) as url:
        site.ask(site.server(url=url, concurrency=1))
    text = site.answers()["item-0"]["text"]
    assert text == "so \ufffd"
    (site.folder / "sealed").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(body=b"[" * 200_000),
        Fault(patch={"choices": [{"text": "a"}, {"text": "b"}]}),
        Fault(patch={"choices": [{"text": None}]}),
        Fault(patch={"usage": {"prompt_tokens": 10**400}}),
        Fault(patch={"__verbose": {"tokens": [1 << 60]}}),
        Fault(patch={"model": "another"}),
        Fault(status=302, headers={"Location": "http://elsewhere"}),
        Fault(body=b'{"a": NaN'),
    ],
)
def test_a_bad_reply_ends_a_run_with_one_message_and_keeps_what_was_answered(
    site: Site, fault: Fault
) -> None:
    with fake_server(site.engine(faults=[Fault(), fault])) as url:
        server = site.server(url=url, concurrency=1)
        with pytest.raises(ServiceError) as caught:
            site.ask(server)
        assert len(str(caught.value)) < 700
        assert "item-0" in site.answers()
        site.ask(server)
    assert set(site.answers()) == set(site.ids)


def test_a_started_server_is_asked_and_ended(site: Site) -> None:
    trace = site.folder / "trace"
    server = site.server(command=(*COMMAND, "--trace", str(trace)), startup_timeout_seconds=30.0)
    site.ask(server)
    assert set(site.answers()) == set(site.ids)
    assert all_gone([int(pid) for pid in trace.read_text().split()])


def test_a_started_server_that_dies_is_told_with_its_last_words(site: Site) -> None:
    server = site.server(command=(*COMMAND, "--behave", "die"), concurrency=1)
    with pytest.raises(WorkerError, match=r"exit code 7.*CUDA error: out of memory"):
        site.ask(server)
    kept = set(site.answers())
    assert 3 <= len(kept) < 12
    site.ask(site.server(command=COMMAND, concurrency=1))
    assert set(site.answers()) == set(site.ids)


def test_a_look_compares_token_ids_and_asks_one_prompt(site: Site) -> None:
    engine = site.engine(tokens={"ab": [1, 2], "cd": [3]})
    with fake_server(engine) as url:
        found = site.look(site.server(url=url), {"ab": [1, 2], "cd": [4]})
    assert (found.loads, found.finite, found.compared_texts) == (True, True, 2)
    assert found.mismatched_texts == ("cd",)
    assert len(engine.requests) == 1


@pytest.mark.parametrize("tokens", [None, "1, 2", ["1", "2"], [1.0, 2.0], {"a": 1}])
def test_tokens_of_another_type_are_the_servers_fault(site: Site, tokens: Any) -> None:
    with (
        fake_server(site.engine(tokens={"ab": tokens})) as url,
        pytest.raises(ServiceError, match="gives no token ids"),
    ):
        site.look(site.server(url=url), {"ab": [1, 2]})


def test_a_first_answer_by_another_model_is_an_error(site: Site) -> None:
    engine = site.engine(faults=[Fault(patch={"model": "another"})])
    with fake_server(engine) as url, pytest.raises(ServiceError, match="answered by another"):
        site.look(site.server(url=url), {"ab": [1, 2]})


def test_a_server_without_tokenize_is_not_held_to_it(site: Site) -> None:
    with fake_server(site.engine()) as url:
        found = site.look(site.server(url=url), {"ab": [1, 2]})
    assert (found.loads, found.compared_texts, found.mismatched_texts) == (True, 0, ())


def test_a_log_probability_that_is_no_number_is_told(site: Site) -> None:
    with fake_server(site.engine(logprob=None)) as url:
        assert not site.look(site.server(url=url), {"ab": [1, 2]}).finite


@pytest.mark.parametrize("told", [-9999.0, "NaN", "-Infinity", float("nan")])
def test_every_spelling_of_no_number_is_a_finding(site: Site, told: Any) -> None:
    with fake_server(site.engine(logprob=told)) as url:
        assert site.look(site.server(url=url), {"ab": [1, 2]}).finite is False


def test_what_vllm_says_of_logits_that_are_no_numbers_is_a_finding(site: Site) -> None:
    refused = b'{"error": {"message": "Out of range float values are not JSON compliant: nan"}}'
    engine = site.engine(engine="vllm", faults=[Fault(status=400, body=refused)])
    with fake_server(engine) as url:
        assert site.look(site.server(url=url, engine="vllm"), {"ab": [1, 2]}).finite is False


@pytest.mark.parametrize("told", ["-0.5", True, {"a": 1}])
def test_a_log_probability_of_another_type_is_the_servers_fault(site: Site, told: Any) -> None:
    with (
        fake_server(site.engine(logprob=told)) as url,
        pytest.raises(ServiceError, match="a log probability is"),
    ):
        site.look(site.server(url=url), {"ab": [1, 2]})


def test_a_server_that_tells_no_log_probabilities_is_not_held_to_them(site: Site) -> None:
    with fake_server(site.engine(engine="other")) as url:
        server = site.server(url=url, engine="other", model_name="model")
        assert site.look(server, {"ab": [1, 2]}).finite is None


def test_ids_are_cut_before_a_stop_text_as_in_every_runtime(site: Site) -> None:
    prompt = Prompt(item_id="item-0", token_ids=(7,), stop=("STOP",))
    (site.folder / "prompts.jsonl").write_text(json.dumps(to_json(prompt)) + "\n")
    texts = {40: "so ", 41: "it ", 42: "is ", 43: "ST", 44: "OP"}
    ids = [40, 41, 42, 43, 44]
    patch = {
        "__verbose": {"tokens": ids},
        "choices": [{"text": "so it is ", "finish_reason": "stop"}],
    }
    with fake_server(site.engine(faults=[Fault(patch=patch)], texts=texts)) as url:
        site.ask(site.server(url=url))
    assert site.answers()["item-0"]["token_ids"] == [40, 41, 42]


def test_a_server_that_ends_over_the_file_is_a_report(site: Site) -> None:
    found = site.look(site.server(command=(*COMMAND, "--behave", "refuse")), {"ab": [1]})
    assert not found.loads
    assert "unknown tensor type" in found.detail


@pytest.mark.parametrize("behaviour", ["crash", "end"])
def test_an_end_without_a_word_is_no_report_on_the_file(site: Site, behaviour: str) -> None:
    with pytest.raises(WorkerError, match=r"SIGABRT|exit code 0"):
        site.look(site.server(command=(*COMMAND, "--behave", behaviour)), {"ab": [1]})


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGBUS"])
def test_a_server_that_was_killed_is_no_report_whatever_it_said_before(
    site: Site, name: str
) -> None:
    with pytest.raises(WorkerError, match=name):
        site.look(site.server(command=(*COMMAND, "--behave", f"refuse and {name}")), {"ab": [1]})


def test_want_of_memory_is_no_report_on_the_file(site: Site) -> None:
    with pytest.raises(WorkerError, match="out of memory"):
        site.look(site.server(command=(*COMMAND, "--behave", "no memory")), {"ab": [1]})


def test_a_server_that_never_comes_up_is_no_report_on_the_file(site: Site) -> None:
    server = site.server(command=(*COMMAND, "--behave", "hang"), startup_timeout_seconds=0.3)
    with pytest.raises(WorkerError, match="did not answer"):
        site.look(server, {"ab": [1]})


def test_an_identity_holds_what_is_stated_and_what_may_change_tokens(site: Site) -> None:
    def identity(subject: Recipe | None = None, **fields: Any) -> Any:
        return OpenAiServerRuntime(site.server(**fields), FakeRuntime()).identity(subject)

    first = identity(command=COMMAND)
    assert (first.engine, first.device, first.compute_dtype) == (
        "llama-server", "unknown", "unknown",
    )  # fmt: skip
    assert first.version.startswith("b1, settings ")
    assert (first.kv_cache, first.kernels) == ("unknown", "native")
    assert identity(command=(*COMMAND, "--flash")).version != first.version
    assert identity(command=COMMAND, body={"top_k": 1}).version != first.version
    assert identity(command=COMMAND, prompts="text").version != first.version
    assert identity(command=COMMAND, startup_timeout_seconds=1.0) == first
    assert identity(command=("/elsewhere/" + Path(COMMAND[0]).name, *COMMAND[1:])) == first
    with_kv = (*COMMAND, "--kv", "{kv}")
    assert identity(replace(Q8, kv_cache="q8_0"), command=with_kv).kv_cache == "q8_0"
    assert identity(command=with_kv).kv_cache == "f16"
    folders: dict[str, Any] = {"engine": "vllm", "formats": (Format.AWQ,)}
    assert identity(**folders).kernels == "reference"
    assert identity(Q8, **folders).kernels == "unknown"


def test_concurrency_is_the_schedules_slots_and_settings_are_part_of_the_source(site: Site) -> None:
    runtime = OpenAiServerRuntime(site.server(command=COMMAND, concurrency=5), FakeRuntime())
    assert (runtime.schedule(2).slots, runtime.schedule(2).threads) == (5, 2)
    other = OpenAiServerRuntime(site.server(command=(*COMMAND, "--x")), FakeRuntime())
    assert runtime.source_digest() != other.source_digest()


def test_a_command_or_a_key_that_is_not_there_is_one_sentence(site: Site) -> None:
    runtime = OpenAiServerRuntime(site.server(command=("no-such-server", "x")), FakeRuntime())
    assert "no-such-server" in (runtime.missing() or "")
    keyed = site.server(command=COMMAND, api_key_env="NO_SUCH_KEY_HERE")
    assert "NO_SUCH_KEY_HERE" in (OpenAiServerRuntime(keyed, FakeRuntime()).missing() or "")
    assert OpenAiServerRuntime(site.server(command=COMMAND), FakeRuntime()).missing() is None


def test_what_an_engine_has_no_way_to_do_is_one_sentence_while_planning(site: Site) -> None:
    def missing(**fields: Any) -> str:
        server = site.server(command=COMMAND, engine="transformers-serve", **fields)
        return OpenAiServerRuntime(server, FakeRuntime()).missing() or ""

    assert "takes no prompts as ids: give server here `prompts: chat`" in missing()
    assert "1 request at a time: give server here `concurrency: 1`" in missing(prompts="chat")
    assert missing(prompts="chat", concurrency=1) == ""
    batched = site.server(
        command=(*COMMAND, "--continuous-batching"), engine="transformers-serve", prompts="chat",
        concurrency=1,
    )  # fmt: skip
    refused = OpenAiServerRuntime(batched, FakeRuntime()).missing() or ""
    assert refused.startswith("leave --continuous-batching out of server here's command")
    chat = site.server(command=COMMAND, engine="transformers-serve", prompts="chat")
    assert not OpenAiServerRuntime(chat, FakeRuntime()).constrains()


def test_a_version_is_asked_of_the_server_or_its_program_or_stated(site: Site) -> None:
    program = site.folder / "engine"
    program.write_text("#!/bin/sh\necho 'loading'\necho 'version: 1.2.3 (abc)' >&2\n")
    program.chmod(0o755)
    unknown = replace(site.server(command=(str(program), "x")), version=None)
    assert identified(unknown).version == "1.2.3 (abc)"
    assert identified(replace(unknown, version="mine")).version == "mine"
    with fake_server(site.engine(version="b77")) as url:
        assert identified(site.server(url=url)).version == "b77"
    with fake_server(site.engine()) as url:
        silent = replace(site.server(url=url, engine="other"), version=None)
        with pytest.raises(InputError, match="does not report it"):
            identified(silent)
        assert identified(replace(silent, version="mine")).version == "mine"
    with pytest.raises(InputError, match="would tell its own"):
        identified(replace(unknown, command=COMMAND))
    program.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(InputError, match="tells none"):
        identified(unknown)
    program.write_text("no program")
    with pytest.raises(ToolchainError, match="does not work"):
        identified(unknown)
    missing = replace(unknown, command=("no-such-server",))
    assert identified(missing).version is None
