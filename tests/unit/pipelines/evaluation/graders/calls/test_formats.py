"""Calls in the formats of the main model families: what is read, what is refused, what is no call."""

from typing import get_args

import pytest

from quantgate.pipelines.domain.suites.call_format import CallFormat
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.evaluation.graders.calls.formats import read_calls
from quantgate.pipelines.evaluation.graders.calls.read import Call, Calls, NoCall, ReadCalls
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from tests.support.grading.calls import WRITERS
from tests.support.grading.items import expecting, pure_grader

TOOLS: dict[str, JsonObject] = {
    "search": {"properties": {"query": {"type": "string"}, "limit": {"type": "integer"}}},
    "geo.find": {"properties": {"at": {"type": "array"}, "exact": {"type": "boolean"}}},
}
SEARCH: JsonObject = {"query": 'cheap ✈ to "Rome"\nat 5', "limit": 3}
FIND: JsonObject = {"at": [1.5, -2], "exact": True}
NASTY = (
    "",
    "{",
    "[",
    '{"name": "f", "arguments": ',
    "<tool_call>",
    "<tool_call>{</tool_call>",
    "<tool_call></tool_call>",
    "<function=",
    "<function=f>",
    "[TOOL_CALLS]",
    "[TOOL_CALLS]f",
    "[TOOL_CALLS]f[ARGS]{",
    "<|python_tag|>",
    "<|tool_call|>",
    "```tool_code\n",
    "```tool_code\nf(\n```",
    "[f(",
    "[f(a=1",
    "[f(a=b)]",
    "[f(a=__import__('os').system('x'))]",
    "f(a=1j)",
    "[f(a=1e999)]",
    "[f(a='\x00')]",
    "<\uff5ctool\u2581calls\u2581begin\uff5c>",
    "\ud800 <tool_call>\ud800",
    '{"name": "f", "arguments": {"a": NaN}}',
    "<tool_call>" * 5000,
    "[" * 100_000,
    "{" * 100_000,
    "[f(a=" + "-" * 50_000 + "1)]",
    "[f(a=" + "(" * 50_000,
    "f" + ".f" * 40_000 + "()",
    "<parameter=" * 20_000,
    "to=functions.",
    "to=functions.f",
    "to=functions.f json{",
    "<|tool_call_begin|>functions.f:0",
    "functions.f:0{",
    "to=functions.f " * 20_000,
    "functions.f:0 " * 20_000,
    "<|START_ACTION|>[{",
    '<|START_ACTION|>[{"tool_call_id": "0"}]',
    "<minimax:tool_call>",
    "<minimax:tool_call>f</minimax:tool_call>",
    '<minimax:tool_call><invoke name="f"></minimax:tool_call>',
    '<invoke name="f">' * 10_000,
    '<minimax:tool_call><invoke name="f">' + '<parameter name="a">' * 10_000,
    "<TOOLCALL>",
    "<function_calls>f(</function_calls>",
    "<think>" * 1000,
    "x" * 1_000_000,
)


def read(text: str, form: str = "auto") -> ReadCalls:
    return read_calls(text, form, TOOLS)  # type: ignore[arg-type] # any text may be asked for here


def call(name: str, arguments: JsonObject) -> Call:
    return Call(name=name, arguments=arguments)


@pytest.mark.parametrize("layout", WRITERS)
@pytest.mark.parametrize("detected", [True, False], ids=["auto", "named"])
def test_one_and_two_calls_are_read_from_every_layout(layout: str, detected: bool) -> None:
    form, write = WRITERS[layout]
    one, two = [("search", SEARCH)], [("search", SEARCH), ("geo.find", FIND)]
    for calls in (one, two):
        found = read(write(calls), "auto" if detected else form)
        assert found == Calls(calls=tuple(call(n, a) for n, a in calls), format=form)


@pytest.mark.parametrize("form", ["auto", *get_args(CallFormat)])
@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_no_text_makes_a_reader_raise_or_invent_calls(text: str, form: str) -> None:
    assert isinstance(read(text, form), NoCall | Refused)


@pytest.mark.parametrize("form", ["auto", *get_args(CallFormat)])
@pytest.mark.parametrize(
    "text",
    [
        "I cannot help with that.",
        "[Note] none of the tools fits.",
        "Use search(query) yourself.",
        "[]",
        '{"answer": 5}',
        '{"name": "Bob", "age": 5}',
        "Their functions.search takes a query.",
    ],
)
def test_plain_answers_call_nothing(text: str, form: str) -> None:
    assert read(text, form) == NoCall()


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "search", "arguments": {"limit": 3}}</tool_call>',
        'Let me look.\n<tool_call>{"name": "search", "arguments": {"limit": 3}}</tool_call>',
        '```json\n{"name": "search", "arguments": {"limit": 3}}\n```<|im_end|>',
        '{"type": "function", "name": "search", "parameters": {"limit": 3.0}}',
        '<tool_call>{"name": "search", "arguments": {"limit": 3}}',
        "[search(limit=3)]</s>",
        "```tool_code\nprint(search(limit=3))\n```",
        '[TOOL_CALLS]search[CALL_ID]abc123def[ARGS]{"limit": 3}',
        "<tool_call>search<arg_key>limit</arg_key><arg_value>3</arg_value></tool_call>",
        '<|tool_call|>[{"name": "search", "arguments": {"limit": 3}}]<|/tool_call|>',
        "<|channel|>commentary<|message|>Let me look.<|end|><|start|>assistant<|channel|>commentary "
        'to=functions.search <|constrain|>json<|message|>{"limit": 3}<|call|>',
        # Special tokens dropped: by our runtimes those that mark no thoughts, by servers all.
        '<|start|>assistant<|channel|>commentary to=functions.search json<|message|>{"limit": 3}',
        'analysisThey want three.assistantcommentary to=functions.search json{"limit": 3}',
        'assistant to=functions.searchcommentary json{"limit": 3}',
        "I will look.<|tool_calls_section_begin|><|tool_call_begin|>search:0"
        '<|tool_call_argument_begin|>{"limit": 3}<|tool_call_end|><|tool_calls_section_end|>',
        'I will look.functions.search:0{"limit": 3}',
        '[{"tool_call_id": "0", "tool_name": "search", "parameters": {"limit": 3}}]',
        '<minimax:tool_call><invoke name="search"><parameter name="limit">3</parameter></invoke>',
        "<function_calls>\nsearch(limit=3)\n</function_calls>",
    ],
)
def test_what_servers_strip_is_stripped(text: str) -> None:
    found = read(text)
    assert isinstance(found, Calls)
    assert found.calls == (call("search", {"limit": 3}),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"name": "f", "arguments": {}} {"name": "f", "arguments": {}}', "text after"),
        ('<tool_call>{"name": "f", "arguments": {}}</tool_call> Done!', "text after a call"),
        ('{"name": "f", "arguments": "{}"}', "not an object"),
        ('{"name": "f", "arguments": {}, "parameters": {}}', "2 sets"),
        ('{"name": "f", "arguments": {}, "thought": "x"}', "unexpected key 'thought'"),
        ('{"name": "f", "arguments": {"a": 1, "a": 2}}', "given twice"),
        ('[{"name": "f", "arguments": {}}, 5]', "not a JSON object"),
        ('{"tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}', "arguments of 'f'"),
        ("[f(1)]", "without names"),
        ("[f(a=b)]", "no literal"),
        ("[f(a=g(b=1))]", "no literal"),
        ("[f(**{'a': 1})]", "no name"),
        ("[f(a=1); g()]", "not a Python call"),
        ("[f(a=2**9)]", "no literal"),
        ("<tool_call>f<arg_key>a</arg_key></tool_call>", "not closed"),
        ("<tool_call><function=f><parameter=a>1</function></tool_call>", "not closed"),
        ('<tool_call>{"answer": 5}</tool_call>', "not one call"),
        ('to=functions.f json{"a": 1} Done!', "text after a call"),
        ("to=functions.f please", "without arguments"),
        ('functions.f:0{"a": 1}functions.g', "text after a call"),
        ('<|START_ACTION|>[{"parameters": {}}]', "no name"),
        ('[{"tool_name": "f"}]', "0 sets"),
        ("<minimax:tool_call>f</minimax:tool_call>", "no call stands"),
        ("<TOOLCALL>[]</TOOLCALL> and <TOOLCALL>[]</TOOLCALL>", "text after a call"),
        ('<tool_call>{"name":"f","arguments":{}}</tool_call><tool_call>f</tool_call>', "not JSON"),
    ],
)
def test_an_answer_that_breaks_its_formats_rules_is_refused_and_not_tried_as_another(
    text: str, says: str
) -> None:
    found = read(text)
    assert isinstance(found, Refused)
    assert says in found.reason


def test_a_named_format_does_not_read_another_one() -> None:
    """A router that expects Hermes' tags does not see a Python call, and the other way round."""
    hermes, python = WRITERS["hermes"][1], WRITERS["pythonic"][1]
    assert read(python([("search", SEARCH)]), "hermes") == NoCall()
    assert read(hermes([("search", SEARCH)]), "pythonic") == NoCall()
    assert read(hermes([("search", SEARCH)]), "json") == NoCall()


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("mistral", 'search{"limit": 3}geo.find{"exact": true}'),
        ("deepseek", 'search{"limit": 3}geo.find{"exact": true}'),
        (
            "deepseek",
            'functionsearch\n```json\n{"limit": 3}\n```\n'
            'functiongeo.find\n```json\n{"exact": true}\n```',
        ),
    ],
)
def test_formats_asked_for_by_name_are_read_where_a_runtime_dropped_their_special_tokens(
    form: str, text: str
) -> None:
    expected = (call("search", {"limit": 3}), call("geo.find", {"exact": True}))
    assert read(text, form) == Calls(calls=expected, format=form)
    assert read(text, "auto") == NoCall()


def test_text_between_tags_gets_the_type_that_its_tool_declares() -> None:
    glm = "<tool_call>search<arg_key>query</arg_key><arg_value>42</arg_value></tool_call>"
    undeclared = glm.replace("query", "other")
    assert read(glm) == Calls(calls=(call("search", {"query": "42"}),), format="glm")
    assert read(undeclared) == Calls(calls=(call("search", {"other": 42}),), format="glm")


def test_arguments_called_like_pythons_words_are_read() -> None:
    found = read("[search(from=1, class='a from=2', limit=None)]")
    expected = call("search", {"from": 1, "class": "a from=2", "limit": None})
    assert found == Calls(calls=(expected,), format="pythonic")


def test_the_tool_call_grader_reads_other_formats_where_it_is_told_to() -> None:
    item = expecting({"name": "f", "arguments": {"a": 1}})
    hermes = '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>'
    assert pure_grader("tool_call", format="hermes").grade(hermes, item).correct
    assert pure_grader("tool_call", format="auto").grade("[f(a=1)]", item).correct
    assert not pure_grader("tool_call").grade(hermes, item).correct
    twice = pure_grader("tool_call", format="auto").grade("[f(a=1), f(a=1)]", item)
    assert (twice.correct, twice.reason) == (False, "2 calls instead of one")
    silent = pure_grader("tool_call", format="auto").grade("I would rather not.", item)
    assert (silent.correct, silent.reason) == (False, "missing call: nothing is called")


@pytest.mark.parametrize(
    "text",
    [
        'commentary to=functions.search json{"limit": 3}assistantcommentary to=functions.geo.find '
        'json{"exact": true}',
        'functions.search:0{"limit": 3}functions.geo.find:1{"exact": true}',
    ],
)
def test_headers_tell_calls_where_a_runtime_dropped_all_special_tokens(text: str) -> None:
    found = read(text)
    assert isinstance(found, Calls)
    assert found.calls == (call("search", {"limit": 3}), call("geo.find", {"exact": True}))


@pytest.mark.parametrize("name", ["text_analysis", "add_commentary", "to_json", "commentary"])
def test_names_that_end_as_a_header_does_stay_whole(name: str) -> None:
    for written in (
        f"{name} json",
        f"{name} <|constrain|>json",
        f"{name}<|channel|>commentary json",
    ):
        offered: JsonObject = {}
        for tools in ({}, {name: offered}):
            found = read_calls(f'to=functions.{written}<|message|>{{"a": 1}}', "harmony", tools)
            assert found == Calls(calls=(call(name, {"a": 1}),), format="harmony")


def test_a_call_after_thoughts_in_harmony_is_graded_and_its_thoughts_call_nothing() -> None:
    item = expecting({"name": "f", "arguments": {"a": 1}})
    thought = "<|channel|>analysis<|message|>Not to=functions.g json{}.<|end|><|start|>assistant"
    said = f'{thought}<|channel|>commentary to=functions.f json<|message|>{{"a": 1}}'
    assert pure_grader("tool_call", format="auto").grade(said, item).correct
    assert pure_grader("tool_call", format="harmony").grade(said, item).correct
