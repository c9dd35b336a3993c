import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.domain.loops import loops
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.suites.suite import DecodeSettings, GraderSpec, Item, Message, Suite
from quantgate.pipelines.domain.values import JsonObject, digest_of
from quantgate.pipelines.engines.openai.answers import Completions
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.graders.calls.formats import read_calls
from quantgate.pipelines.evaluation.graders.calls.read import Calls
from quantgate.pipelines.evaluation.prompts import suite_prompts
from tests.support.fakes import write_tokenizer

PROMPT = Prompt(
    item_id="one",
    token_ids=(5, 6, 7),
    text="five six seven",
    chat={"messages": [{"role": "user", "content": "six"}]},
)
DECODE = DecodeSettings(max_tokens=32, seed=3)


def asking(engine: str = "llama-server", **fields: Any) -> Completions:
    server = Server(
        name="s", engine=engine, formats=(Format.GGUF,), url="http://localhost:1", **fields
    )
    return Completions(server=server, served_name="served", decode=DECODE, stop_token_ids=(2, 9))


def reply(**fields: Any) -> dict[str, Any]:
    return {
        "model": "served",
        "choices": [{"text": "six", "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    } | fields


def test_a_completion_is_asked_by_the_very_ids() -> None:
    body = asking().body(PROMPT)
    assert asking().path == "/v1/completions"
    assert (body["model"], body["prompt"], body["max_tokens"]) == ("served", [5, 6, 7], 32)
    assert (body["temperature"], body["stream"]) == (0.0, False)
    assert "stop" not in body


def test_plain_text_is_completed_also_by_a_server_that_is_sent_chats() -> None:
    plain = replace(PROMPT, chat=None)
    chat = asking(prompts="chat")
    assert chat.path_of(plain) == "/v1/completions"
    assert chat.path_of(PROMPT) == "/v1/chat/completions"
    assert chat.body(plain)["prompt"] == [5, 6, 7]
    bound = replace(plain, schema='{"type": "object"}')
    assert chat.body(bound)["json_schema"] == {"type": "object"}


def test_what_the_tokenizer_puts_around_plain_text_is_asked_for_where_a_server_leaves_it_out() -> (
    None
):
    vllm = asking("vllm", prompts="text")
    assert vllm.body(PROMPT)["add_special_tokens"] is False
    plain = vllm.body(replace(PROMPT, chat=None))
    assert (plain["prompt"], plain["add_special_tokens"]) == ("five six seven", True)


def test_a_prompt_may_be_sent_as_text_or_as_messages() -> None:
    assert asking(prompts="text").body(PROMPT)["prompt"] == "five six seven"
    chat = asking(prompts="chat")
    assert chat.path == "/v1/chat/completions"
    assert chat.body(PROMPT)["messages"] == [{"role": "user", "content": "six"}]
    assert "prompt" not in chat.body(PROMPT)


def test_what_a_prompt_has_of_its_own_goes_before_the_suites_settings() -> None:
    body = asking().body(replace(PROMPT, max_tokens=7, temperature=0.5, stop=("\n",)))
    assert (body["max_tokens"], body["temperature"], body["stop"]) == (7, 0.5, ["\n"])


def test_sampling_is_the_plain_softmax_whatever_a_server_takes_for_granted() -> None:
    for engine in ("llama-server", "vllm", "sglang", "other"):
        assert asking(engine).body(PROMPT)["top_p"] == 1.0
    assert asking("llama-server").body(PROMPT)["top_k"] == 0
    assert asking("vllm").body(PROMPT)["repetition_penalty"] == 1.0
    assert asking("sglang").body(PROMPT)["top_k"] == -1


def test_an_unknown_engine_is_sent_nothing_but_openais_own_fields() -> None:
    known = {"model", "prompt", "max_tokens", "temperature", "seed", "stream", "top_p"}
    known |= {"presence_penalty", "frequency_penalty"}
    assert set(asking("my-server").body(PROMPT)) == known


def test_end_ids_are_sent_to_engines_that_take_them() -> None:
    assert asking("vllm").body(PROMPT)["stop_token_ids"] == [2, 9]
    assert "stop_token_ids" not in asking("llama-server").body(PROMPT)


def test_a_schema_binds_in_each_engines_own_words() -> None:
    schema = {"type": "object"}
    bound = replace(PROMPT, schema=json.dumps(schema))
    assert asking("llama-server").body(bound)["json_schema"] == schema
    assert json.loads(str(asking("sglang").body(bound)["json_schema"])) == schema
    wrapped: Any = asking("vllm").body(bound)["response_format"]
    assert wrapped["json_schema"]["schema"] == schema
    assert asking("my-server", prompts="chat").body(bound)["response_format"] == wrapped


def test_a_schema_that_would_silently_not_bind_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be bound to a JSON schema"):
        asking("my-server").body(replace(PROMPT, schema="{}"))


def test_transformers_serve_is_told_in_one_field_how_answers_are_drawn_and_what_ends_them() -> None:
    body = asking("transformers-serve", prompts="chat").body(PROMPT)
    settings = json.loads(str(body["generation_config"]))
    assert (settings["do_sample"], settings["top_k"], settings["eos_token_id"]) == (True, 0, [2, 9])
    assert set(body) == {
        "model", "messages", "max_tokens", "temperature", "seed", "stream", "top_p", "frequency_penalty",
        "generation_config",
    }  # fmt: skip  # what else it is sent is HTTP 422


def test_plain_text_goes_as_text_to_an_engine_that_takes_no_ids() -> None:
    plain = replace(PROMPT, chat=None)
    assert asking("transformers-serve", prompts="chat").body(plain)["prompt"] == "five six seven"


def test_a_schema_is_not_sent_to_an_engine_that_would_ignore_it() -> None:
    bound = replace(PROMPT, schema="{}")
    with pytest.raises(InputError, match="chats of 'transformers-serve' cannot be bound"):
        asking("transformers-serve", prompts="chat").body(bound)


def test_a_stop_text_that_an_engine_leaves_in_an_answer_is_cut_there() -> None:
    stopped = replace(PROMPT, stop=("x", "ix"))
    said = reply(model="served@main")
    assert asking("transformers-serve", prompts="chat").answer(stopped, said).text == "s"
    assert asking("other").answer(stopped, reply()).text == "s", "and where a server is told to"


def test_a_server_that_takes_no_notice_of_stop_texts_is_an_error() -> None:
    stopped = replace(PROMPT, stop=("z", "i"))
    with pytest.raises(ServiceError, match="goes on after the stop text 'i'") as caught:
        asking("other").answer(stopped, reply())
    assert caught.value.where == "item one"
    calls = [{"function": {"name": "find", "arguments": "{}"}}]
    called = reply(choices=[{"message": {"content": "", "tool_calls": calls}}])
    told = asking("other", prompts="chat").answer(stopped, called)
    assert told.text == '{"name": "find", "arguments": {}}', "the server never saw this text"


def test_replies_may_call_a_model_otherwise_than_it_was_asked_for() -> None:
    with pytest.raises(ServiceError, match="answered by served, not by served@main"):
        asking("transformers-serve", prompts="chat").answer(PROMPT, reply())


def test_samples_of_an_item_have_seeds_of_their_own_and_keep_them() -> None:
    first, second = (asking().body(replace(PROMPT, item_id=name)) for name in ("one", "one#2"))
    assert first["seed"] != second["seed"]
    assert first["seed"] == asking().body(PROMPT)["seed"]


def test_added_fields_come_last() -> None:
    body = asking(body={"cache_prompt": False, "top_k": 40}).body(PROMPT)
    assert (body["cache_prompt"], body["top_k"]) == (False, 40)


def test_ids_come_from_where_each_engine_tells_them_without_the_end() -> None:
    told = reply(__verbose={"tokens": [41, 42, 2]})
    answer = asking("llama-server").answer(PROMPT, told)
    assert (answer.text, answer.token_ids, answer.finish_reason) == ("six", (41, 42), "stop")
    assert answer.prompt_tokens == 3
    choice = {"text": "six", "finish_reason": "length", "token_ids": [41, 42]}
    for engine in ("vllm", "sglang"):
        assert asking(engine).body(PROMPT)["return_token_ids"] is True
        answer = asking(engine).answer(PROMPT, reply(choices=[choice]))
        assert (answer.token_ids, answer.finish_reason) == ((41, 42), "length")
        assert answer.length_tokens == 2


def test_where_ids_are_unknown_the_servers_count_is_the_length() -> None:
    answer = asking("my-server").answer(PROMPT, reply())
    assert (answer.token_ids, answer.generated_tokens, answer.length_tokens) == ((), 4, 4)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "stop"),
        ("content_filter", "error"),
        ("abort", "error"),
        (None, "error"),
    ],
)
def test_ends_that_the_model_did_not_choose_are_errors(reason: str | None, finish: str) -> None:
    told = reply(choices=[{"text": "", "finish_reason": reason}])
    assert asking().answer(PROMPT, told).finish_reason == finish


def test_tool_calls_a_server_took_out_of_the_text_are_put_back() -> None:
    call: JsonObject = {"function": {"name": "track", "arguments": '{"id": 1}'}}
    message: JsonObject = {"content": None, "tool_calls": [call]}
    told = reply(choices=[{"message": message, "finish_reason": "tool_calls"}])
    answer = asking("my-server", prompts="chat").answer(PROMPT, told)
    assert json.loads(answer.text) == {"name": "track", "arguments": {"id": 1}}
    broken: JsonObject = {"function": {"name": "track", "arguments": "{"}}
    message = {"content": "Well.", "tool_calls": [call, broken]}
    told = reply(choices=[{"message": message, "finish_reason": "tool_calls"}])
    assert asking("x", prompts="chat").answer(PROMPT, told).text.split("\n") == [
        "Well.",
        '<tool_call>{"name": "track", "arguments": {"id": 1}}</tool_call>',
        '<tool_call>{"name": "track", "arguments": "{"}</tool_call>',
    ]


def test_calls_behind_a_remark_are_read_as_calls() -> None:
    call: JsonObject = {"function": {"name": "track", "arguments": '{"id": 1}'}}
    message = {"content": "Let me look.", "tool_calls": [call, call]}
    told = reply(choices=[{"message": message, "finish_reason": "tool_calls"}])
    read = read_calls(asking("x", prompts="chat").answer(PROMPT, told).text, "auto", {})
    assert isinstance(read, Calls)
    assert [one.name for one in read.calls] == ["track", "track"]


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        (reply(model="another"), "answered by another, not by served"),
        (reply(choices=[]), "no choices"),
        ({"model": "served"}, "no choices"),
        (reply(choices="none"), "malformed"),
        (reply(choices=[{"text": 5}]), "malformed"),
        (reply(usage={"prompt_tokens": 4}), "our prompt has 3 tokens and the server counts 4"),
        (reply(__verbose={"tokens": [41, 9, 43, 2]}), "goes on after token 9"),
    ],
)
def test_a_reply_that_is_no_answer_to_our_prompt_names_the_item(
    told: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ServiceError, match=problem) as caught:
        asking().answer(PROMPT, told)
    assert caught.value.where == "item one"


def test_a_prompt_sent_as_text_needs_the_count_as_a_witness() -> None:
    told = reply(usage=None)
    with pytest.raises(ServiceError, match="its length is unknown"):
        asking("my-server").answer(PROMPT, told)
    assert asking().answer(PROMPT, told | {"__verbose": {"tokens": [41, 2]}}).token_ids == (41,)
    with pytest.raises(ServiceError, match="does not count the prompt's tokens"):
        asking("my-server", prompts="text").answer(PROMPT, told)


def test_loops_are_found_in_words_where_ids_are_unknown() -> None:
    def cut(text: str) -> Answer:
        return Answer(
            item_id="one", text=text, token_ids=(), finish_reason="length", prompt_tokens=1
        )

    assert loops(cut("so it goes on " + "and on " * 6))
    assert not loops(cut("one two three four five six seven eight nine ten eleven twelve"))


def test_prompts_carry_what_their_ids_were_made_from_and_are_known_by_ids_alone(
    tmp_path: Path,
) -> None:
    write_tokenizer(tmp_path)
    tool: JsonObject = {"type": "function", "function": {"name": "track"}}
    item = Item(
        id="one",
        messages=(Message(role="user", content="Hi"),),
        expected="x",
        slices=(),
        tools=(tool,),
    )
    suite = Suite(
        name="demo",
        version=1,
        description="",
        folder=tmp_path,
        digest=digest_of("demo"),
        grader=GraderSpec(kind="exact"),
        decode=DECODE,
        slices=(),
        items=(item,),
    )
    asked = suite_prompts(suite, ChatFormat.of(tmp_path), 512)
    prompt = asked.prompts[0]
    assert prompt.text == asked.texts[0] == "<user>Hi</s><assistant>"
    assert prompt.chat == {"messages": [{"role": "user", "content": "Hi"}], "tools": [tool]}
    untold = suite_prompts(
        replace(suite, items=(replace(item, tools=()),)), ChatFormat.of(tmp_path), 512
    )
    assert untold.digest == asked.digest


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thoughts_that_a_server_tells_apart_are_kept_beside_the_text(name: str) -> None:
    message = {"content": "six", name: "two threes"}

    answer = asking("vllm").answer(
        PROMPT, reply(choices=[{"message": message, "finish_reason": "stop"}])
    )

    assert (answer.text, answer.reasoning) == ("six", "two threes")
