"""Calls with a header of their own, or in a family's own element, as the families' chat templates show.

`harmony` is OpenAI's format of gpt-oss, `kimi` that of Kimi K2; of both something is left to read where a
runtime drops special tokens. `cohere` (Command R7B and A), `minimax` (M2), `nemotron` and `olmo` (3) stand
between markers that are text, or leave bare JSON behind.
"""

import re
from collections.abc import Callable
from dataclasses import replace

from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.evaluation.graders.calls.markup import (
    Tools,
    between_tags,
    blocks,
    each_block,
    object_end,
)
from quantgate.pipelines.evaluation.graders.calls.python import python_calls
from quantgate.pipelines.evaluation.graders.calls.read import (
    Call,
    Calls,
    NoCall,
    ReadCalls,
    call_of,
    calls_in,
    gathered,
    named_call,
)
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused, parse_strictly
from quantgate.pipelines.evaluation.graders.reading.wording import shorten

HARMONY = "to=functions."
KIMI = "<|tool_call_begin|>"
COHERE = "<|START_ACTION|>"
MINIMAX = "<minimax:tool_call>"
NEMOTRON = "<TOOLCALL>"
OLMO = "<function_calls>"
_CHANNEL = "commentary"
"""On which gpt-oss calls functions."""
_COHERE_END = "<|END_ACTION|>"
_HARMONY_CALL = re.compile(
    r"(?:<\|start\|>)?(?:assistant)?(?:<\|channel\|>)?(?:commentary|analysis)? ?to=functions\."
    r"(?P<name>[\w.-]{1,200})(?:<\|channel\|>(?:commentary|analysis))?"
    r"(?:(?:\s{1,4}(?:<\|constrain\|>)?|<\|constrain\|>)(?:json|code))?"
    r"\s{0,4}(?:<\|message\|>)?\s{0,4}(?=\{)"
)
_HARMONY_END = re.compile(r"(?:\s|<\|call\|>|<\|end\|>){1,8}")
_KIMI_CALL = re.compile(
    r"(?:<\|tool_calls_section_begin\|>)?\s{0,4}(?:<\|tool_call_begin\|>\s{0,4}(?:functions\.)?|functions\.)"
    r"(?P<name>[\w.-]{1,200}):\d{1,6}\s{0,4}(?:<\|tool_call_argument_begin\|>)?\s{0,4}(?=\{)"
)
_KIMI_END = re.compile(r"(?:\s|<\|tool_call_end\|>|<\|tool_calls_section_end\|>){1,8}")
_INVOKED = re.compile(r"\A\s*name=[\"']?([^\"'>]{1,200})[\"']?>")
_ARGUMENT = re.compile(
    r"\s*<parameter name=[\"']?([^\"'>]{1,200})[\"']?>(.*?)</parameter>\s*", re.DOTALL
)


def is_kimi(said: str) -> bool:
    """Whether an answer has a call of Kimi's, its markers dropped or not."""
    return KIMI in said or _KIMI_CALL.search(said) is not None


def is_cohere(said: str) -> bool:
    """Whether an answer has a call of Command's, its markers dropped or not."""
    return COHERE in said or (said.startswith("[") and '"tool_name"' in said)


def harmony(text: str, tools: Tools) -> ReadCalls:
    """`<|channel|>commentary to=functions.f <|constrain|>json<|message|>{…}<|call|>` (gpt-oss).

    Where a runtime dropped `<|channel|>`, the channel stands right behind a name that came before it.
    """
    if HARMONY not in text:
        return NoCall()
    read = _headed(text, _HARMONY_CALL, _HARMONY_END, "harmony")
    if not isinstance(read, Calls):
        return read
    return replace(read, calls=tuple(_without_channel(call, tools) for call in read.calls))


def kimi(text: str) -> ReadCalls:
    """`<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{…}<|tool_call_end|>` (Kimi K2)."""
    return _headed(text, _KIMI_CALL, _KIMI_END, "kimi") if is_kimi(text) else NoCall()


def cohere(text: str) -> ReadCalls:
    """`<|START_ACTION|>[{"tool_call_id": …, "tool_name": …, "parameters": …}]<|END_ACTION|>` (Command)."""
    if not is_cohere(text):
        return NoCall()
    marked, _, after = text.rpartition(COHERE)[2].partition(_COHERE_END)
    if after.strip():
        return Refused(reason=f"text after a call: {shorten(after.strip())!r}")
    parsed = parse_strictly(marked.strip())
    if isinstance(parsed, Refused):
        return parsed
    several = parsed.value if isinstance(parsed.value, list) else [parsed.value]
    return gathered([_cohere_call(value) for value in several], "cohere")


def minimax(text: str, tools: Tools) -> ReadCalls:
    """`<minimax:tool_call><invoke name="f"><parameter name="a">…</parameter></invoke>…` (MiniMax M2)."""
    if MINIMAX not in text:
        return NoCall()
    outer = blocks(text, MINIMAX, "</minimax:tool_call>")
    if isinstance(outer, Refused):
        return outer

    def invoked(block: str) -> Call | Refused:
        named = _INVOKED.match(block)
        if named is None:
            return Refused(reason=f"a call has no name: {shorten(block)!r}")
        return between_tags(named[1], _arguments(block[named.end() :]), tools)

    return _inner(outer, "<invoke", "</invoke>", invoked, "minimax")


def nemotron(text: str) -> ReadCalls:
    """`<TOOLCALL>[{"name": …, "arguments": …}]</TOOLCALL>` (Nemotron)."""
    return _wrapped(text, NEMOTRON, "</TOOLCALL>", lambda inner: calls_in(inner, "nemotron"))


def olmo(text: str) -> ReadCalls:
    """`<function_calls>f(a=1)` and further calls on lines of their own `</function_calls>` (Olmo 3)."""
    return _wrapped(text, OLMO, "</function_calls>", lambda inner: python_calls(inner, "olmo"))


def _headed(text: str, header: re.Pattern[str], ends: re.Pattern[str], form: str) -> ReadCalls:
    """Read `header{…}` again and again; what stands before the first header is the model's remark."""
    matched = header.search(text)
    if matched is None:
        return Refused(reason="a call without arguments")
    calls: list[Call | Refused] = []
    while matched is not None:
        end = object_end(text, matched.end())
        calls.append(named_call(matched["name"], text[matched.end() : end]))
        while ended := ends.match(text, end):
            end = ended.end()
        matched = header.match(text, end)
        if matched is None and end < len(text):
            return Refused(reason=f"text after a call: {shorten(text[end:])!r}")
    return gathered(calls, form)


def _without_channel(call: Call, tools: Tools) -> Call:
    name = call.name.removesuffix(_CHANNEL)
    offered = name in tools if tools else name[-1:].isalnum()
    return replace(call, name=name) if call.name not in tools and offered else call


def _cohere_call(value: JsonValue) -> Call | Refused:
    if not isinstance(value, dict) or "tool_name" not in value:
        return Refused(reason="a call has no name")
    beside = {key: each for key, each in value.items() if key not in ("tool_name", "tool_call_id")}
    return call_of({"name": value["tool_name"], **beside})


def _arguments(body: str) -> list[tuple[str, str] | Refused]:
    arguments: list[tuple[str, str] | Refused] = []
    at = 0
    while body[at:].strip():
        matched = _ARGUMENT.match(body, at)
        if matched is None:
            return [*arguments, Refused(reason="a parameter's tags are not closed")]
        # One line break on either side belongs to the layout, all others to the value.
        arguments.append((matched[1], matched[2].removeprefix("\n").removesuffix("\n")))
        at = matched.end()
    return arguments


def _inner(
    outer: list[str], opening: str, closing: str, read: Callable[[str], Call | Refused], form: str
) -> ReadCalls:
    contents: list[str] = []
    for block in outer:
        if not block.startswith(opening):
            return Refused(
                reason=f"no call stands between the markers of calls: {shorten(block)!r}"
            )
        inside = blocks(block, opening, closing, closed=True)
        if isinstance(inside, Refused):
            return inside
        contents += inside
    return each_block(contents, read, form)


def _wrapped(text: str, opening: str, closing: str, read: Callable[[str], ReadCalls]) -> ReadCalls:
    if opening not in text:
        return NoCall()
    contents = blocks(text, opening, closing)
    if isinstance(contents, Refused):
        return contents
    if len(contents) != 1:
        return Refused(reason="calls stand between markers more than once")
    return read(contents[0])
