"""Calls between markers: what the chat templates of the main model families have a model write.

The layouts follow the templates that the families publish with their checkpoints. A runtime that drops
special tokens drops some of these markers with them; the readers for Mistral and DeepSeek therefore read
their calls without markers too, when such a format is asked for by name.
"""

import re
from collections.abc import Callable, Mapping

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.graders.calls.read import (
    Call,
    NoCall,
    ReadCalls,
    calls_in,
    gathered,
    named_call,
)
from quantgate.pipelines.evaluation.graders.calls.tool_schemas import declared_kinds, parameter
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused, parse_strictly
from quantgate.pipelines.evaluation.graders.reading.wording import shorten

MISTRAL = "[TOOL_CALLS]"
DEEPSEEK = "<\uff5ctool\u2581calls\u2581begin\uff5c>"
_DEEPSEEK_END = "<\uff5ctool\u2581calls\u2581end\uff5c>"
_DEEPSEEK_CALL = (
    "<\uff5ctool\u2581call\u2581begin\uff5c>",
    "<\uff5ctool\u2581call\u2581end\uff5c>",
)
_DEEPSEEK_NAME = "<\uff5ctool\u2581sep\uff5c>"
_FUNCTION = re.compile(r"\A<function=([^>\s]{1,200})>(.*)\Z", re.DOTALL)
_NAME = re.compile(r"[\w.:/-]{1,200}")
_PARAMETER = re.compile(r"<parameter=([^>\s]{1,200})>")
_JSON_BLOCK = re.compile(r"\A\s*```json\s*\n(?P<json>.*?)\n?\s*```\s*\Z", re.DOTALL)

Tools = Mapping[str, JsonObject]
"""Parameter schemas by tool name: text between tags gets its type from them."""


def blocks(text: str, opening: str, closing: str, *, closed: bool = False) -> list[str] | Refused:
    """Return what stands between markers, from the first one on.

    The last may lack its closing one, where what stands before it shows its own end (`closed` False).

    What stands before the first marker is the model's remark, as servers have it. What stands between
    blocks or after them is refused.
    """
    rest = text[text.find(opening) :]
    contents: list[str] = []
    while rest:
        if not rest.startswith(opening):
            return Refused(reason=f"text after a call: {shorten(rest)!r}")
        block, end, rest = rest.removeprefix(opening).partition(closing)
        if closed and not end:
            return Refused(reason=f"a call is not closed: {shorten(block)!r}")
        contents.append(block.strip())
        rest = rest.strip()
    return contents


def hermes(text: str) -> ReadCalls:
    """`<tool_call>{"name": …, "arguments": …}</tool_call>`, one for each call (Hermes, Qwen)."""
    return each_block(blocks(text, "<tool_call>", "</tool_call>"), _json_call, "hermes")


def functionary(text: str) -> ReadCalls:
    """`<function=name>{…}</function>`, one for each call (Functionary, Llama 3.1's custom tools)."""

    def call_in(block: str) -> Call | Refused:
        name, closed, arguments = block.partition(">")
        return named_call(name, arguments) if closed else Refused(reason="a function tag is open")

    return each_block(blocks(text, "<function=", "</function>"), call_in, "functionary")


def qwen_coder(text: str, tools: Tools) -> ReadCalls:
    """`<tool_call><function=f><parameter=a>…</parameter></function></tool_call>` (Qwen3-Coder)."""

    def call_in(block: str) -> Call | Refused:
        inner = block.removesuffix("</function>") if block.endswith("</function>") else None
        matched = _FUNCTION.match(inner) if inner is not None else None
        if matched is None:
            return Refused(reason=f"a function's tags are not closed: {shorten(block)!r}")
        name, body = matched[1], matched[2].strip()
        return between_tags(name, _parameters(body), tools)

    if "<tool_call>" in text:
        return each_block(blocks(text, "<tool_call>", "</tool_call>"), call_in, "qwen_coder")
    bare = blocks(text, "<function=", "</function>", closed=True)
    if isinstance(bare, Refused):
        return bare
    return gathered([call_in(f"<function={block}</function>") for block in bare], "qwen_coder")


def glm(text: str, tools: Tools) -> ReadCalls:
    """`<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value></tool_call>` (GLM 4.5 and later)."""

    def call_in(block: str) -> Call | Refused:
        name, *pairs = block.split("<arg_key>")
        return between_tags(name.strip(), [_pair(pair) for pair in pairs], tools)

    return each_block(blocks(text, "<tool_call>", "</tool_call>", closed=True), call_in, "glm")


def mistral(text: str) -> ReadCalls:
    """`[TOOL_CALLS][{…}, …]`, or `[TOOL_CALLS]name[ARGS]{…}` for each call (from tokenizer v11 on)."""
    marked = MISTRAL in text
    rest = text[text.find(MISTRAL) + len(MISTRAL) :].strip() if marked else text
    if rest.startswith(("[{", "[ {", "[\n", "[]")):
        return calls_in(rest, "mistral")
    parts = rest.split(MISTRAL) if marked else _bare_calls(rest)
    return gathered([_mistral_call(part) for part in parts], "mistral")


def deepseek(text: str) -> ReadCalls:
    """Name and arguments between DeepSeek's markers: V3 and R1 fence the arguments, V3.1 does not."""
    if DEEPSEEK not in text:
        return gathered([_deepseek_bare(part) for part in _bare_calls(text)], "deepseek")
    inner, _, after = text[text.find(DEEPSEEK) + len(DEEPSEEK) :].partition(_DEEPSEEK_END)
    if after.strip():
        return Refused(reason=f"text after a call: {shorten(after.strip())!r}")

    def call_in(block: str) -> Call | Refused:
        name, marked, arguments = block.partition(_DEEPSEEK_NAME)
        if not marked:
            return Refused(reason="a call has no separator after its name")
        if name.strip() != "function":
            return named_call(name, arguments)
        return _fenced_call(arguments)

    if not inner.strip().startswith(_DEEPSEEK_CALL[0]):
        return Refused(reason="no call stands between the markers of calls")
    return each_block(blocks(inner.strip(), *_DEEPSEEK_CALL), call_in, "deepseek")


def each_block(
    contents: list[str] | Refused, read: Callable[[str], Call | Refused], form: str
) -> ReadCalls:
    """Return the calls that are read of all blocks, or the first refusal."""
    return (
        contents if isinstance(contents, Refused) else gathered([read(b) for b in contents], form)
    )


def _json_call(block: str) -> Call | Refused:
    calls = calls_in(block, "hermes")
    if isinstance(calls, Refused):
        return calls
    if isinstance(calls, NoCall) or len(calls.calls) != 1:
        return Refused(reason="not one call between the markers of a call")
    return calls.calls[0]


def _fenced_call(text: str) -> Call | Refused:
    name, _, body = text.partition("\n")
    fenced = _JSON_BLOCK.match(body)
    if fenced is None:
        return Refused(reason=f"no fenced JSON after {shorten(name.strip())!r}")
    return named_call(name, fenced["json"])


def _mistral_call(part: str) -> Call | Refused:
    head, brace, arguments = part.partition("{")
    name = head.replace("[ARGS]", "").split("[CALL_ID]")[0].strip()
    return named_call(name, brace + arguments) if brace else _no_arguments(part)


def _deepseek_bare(part: str) -> Call | Refused:
    if part.strip().startswith("function") and "```json" in part:
        return _fenced_call(part.strip().removeprefix("function"))
    head, brace, arguments = part.partition("{")
    return named_call(head, brace + arguments) if brace else _no_arguments(part)


def _no_arguments(part: str) -> Refused:
    return Refused(reason=f"a call without arguments: {shorten(part.strip())!r}")


def _bare_calls(text: str) -> list[str]:
    """Cut `f{…}g{…}` after every object; text that does not begin with a name and a brace is no call."""
    if not re.match(r"\A(?:function)?[\w.-]{1,200}(?:\[ARGS\])?\s*(?:```json\s*)?\{", text):
        return []
    parts: list[str] = []
    start = 0
    while start < len(text.rstrip()):
        end = object_end(text, start)
        tail = re.compile(r"\s*```").match(text, end) if "```" in text[start:end] else None
        end = tail.end() if tail else end
        parts.append(text[start:end])
        start = end
    return parts


def object_end(text: str, start: int) -> int:
    """Return where the first JSON object from `start` on ends; the end of the text where it does not."""
    depth, quoted, escaped = 0, False, False
    for at in range(start, len(text)):
        letter = text[at]
        if quoted:
            quoted = escaped or letter != '"'
            escaped = letter == "\\" and not escaped
        elif letter == '"' and depth:
            quoted = True
        elif letter == "{":
            depth += 1
        elif letter == "}":
            depth -= 1
            if depth <= 0:
                return at + 1
    return len(text)


def _parameters(body: str) -> list[tuple[str, str] | Refused]:
    parameters: list[tuple[str, str] | Refused] = []
    while body:
        matched = _PARAMETER.match(body)
        value, closed, body = body[matched.end() if matched else 0 :].partition("</parameter>")
        if matched is None or not closed:
            return [*parameters, Refused(reason="a parameter's tags are not closed")]
        # One line break on either side belongs to the layout, all others to the value.
        parameters.append((matched[1], value.removeprefix("\n").removesuffix("\n")))
        body = body.strip()
    return parameters


def _pair(pair: str) -> tuple[str, str] | Refused:
    matched = re.match(
        r"\A(?P<key>[^<]{1,200})</arg_key>\s*<arg_value>(?P<value>.*)</arg_value>\s*\Z",
        pair,
        re.DOTALL,
    )
    if matched is None:
        return Refused(reason=f"an argument's tags are not closed: {shorten(pair)!r}")
    return matched["key"].strip(), matched["value"]


def between_tags(name: str, pairs: list[tuple[str, str] | Refused], tools: Tools) -> Call | Refused:
    """Return a call whose arguments stood between tags: each text gets the type that its tool declares."""
    if _NAME.fullmatch(name) is None:
        return Refused(reason="a call has no name")
    arguments: JsonObject = {}
    for pair in pairs:
        if isinstance(pair, Refused):
            return pair
        if pair[0] in arguments:
            return Refused(reason=f"argument {shorten(pair[0])!r} is given twice")
        arguments[pair[0]] = _typed(pair[1], parameter(tools.get(name, {}), pair[0]))
    return Call(name=name, arguments=arguments)


def _typed(text: str, schema: JsonObject | None) -> JsonValue:
    """Give text between tags its declared type: texts stay as they are, all else is read as JSON.

    Where nothing is declared it is JSON if it reads as JSON. Python's True, False and None are read too.
    BFCL's type `any` is text, as BFCL itself has it.
    """
    if declared_kinds(schema) == frozenset({"string"}) or (schema or {}).get("type") == "any":
        return text
    stripped = text.strip()
    spelled: Mapping[str, JsonValue] = {"True": True, "False": False, "None": None}
    if stripped in spelled:
        return spelled[stripped]
    parsed = parse_strictly(stripped)
    return text if isinstance(parsed, Refused) else parsed.value
