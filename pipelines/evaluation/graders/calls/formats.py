"""Reads calls out of answers in the formats that the main model families emit.

`auto` decides by what the answer holds, in this order, and then reads that one format; an answer that
begins in a format and breaks its rules is refused, never tried as another:

1. `[TOOL_CALLS]` → mistral; 2. DeepSeek's marker of calls → deepseek; 3. `to=functions.` → harmony;
4. Kimi's marker, or `functions.f:0{` → kimi; 5. `<|START_ACTION|>`, or a list with `tool_name` → cohere;
6. `<minimax:tool_call>` → minimax, `<TOOLCALL>` → nemotron, `<function_calls>` → olmo; 7. `<tool_call>` →
hermes where a brace follows, qwen_coder where `<function=` does, granite where a bracket does, else glm;
8. `<function=` → functionary where a brace follows the name, else qwen_coder; 9. `<|tool_call|>` → granite;
10. `<|python_tag|>` → llama; 11. a fence named `tool_code` → gemma; 12. an answer that is all JSON (one
fence around it is tolerated) → openai where it holds `tool_calls`, else json; 13. an answer that is all one
bracketed list of Python calls → pythonic; 14. anything else calls nothing.
"""

import re
from collections.abc import Callable, Mapping
from typing import Literal

from quantgate.pipelines.domain.suites.call_format import CallFormat
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.evaluation.graders.calls import headed
from quantgate.pipelines.evaluation.graders.calls import markup as call_markup
from quantgate.pipelines.evaluation.graders.calls.python import python_calls
from quantgate.pipelines.evaluation.graders.calls.read import (
    Call,
    NoCall,
    ReadCalls,
    call_of,
    calls_in,
    gathered,
)
from quantgate.pipelines.evaluation.graders.reading.fences import unfenced, without_end_tokens
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused, parse_strictly
from quantgate.pipelines.evaluation.graders.reading.wording import shorten

_GRANITE = ("<|tool_call|>", "<tool_call>")
_LLAMA = "<|python_tag|>"
_GEMMA = re.compile(r"```tool_code[ \t]*\n(?P<body>.*?)\n?```", re.DOTALL)
_TAG = re.compile(r"<tool_call>\s*(?P<next><function=|[{\[]|)")
_FUNCTION = re.compile(r"<function=[^>\s]{1,200}>\s*(?P<brace>\{?)")
_JSON = re.compile(r"\A(\{|\[\s*[{\]])")
_PYTHONIC = re.compile(r"\A\[\s*[A-Za-z_][\w.]{0,200}\s*\(")
_BY_NAME: Mapping[str, Callable[[str], ReadCalls]] = {
    "mistral": call_markup.mistral,
    "deepseek": call_markup.deepseek,
    "kimi": headed.kimi,
    "cohere": headed.cohere,
    "nemotron": headed.nemotron,
    "olmo": headed.olmo,
}
_ONE_CALL = re.compile(r"\A[A-Za-z_][\w.]{0,200}\s*\(")


def read_calls(
    text: str, form: CallFormat | Literal["auto"], tools: Mapping[str, JsonObject]
) -> ReadCalls:
    """Return the calls of an answer; `tools` are parameter schemas by name, for formats without types.

    A template's end tokens are left out first. Never raises.
    """
    said = without_end_tokens(text)
    return _read(said, _detected(said) if form == "auto" else form, tools)


def _read(said: str, form: CallFormat | None, tools: Mapping[str, JsonObject]) -> ReadCalls:
    match form:
        case None:
            return NoCall()
        case "json" | "openai":
            body = unfenced(said)
            return calls_in(body, form) if _JSON.match(body) else NoCall()
        case "llama":
            return _llama(said)
        case "pythonic":
            begun = _PYTHONIC.match(said) or _ONE_CALL.match(said)
            return python_calls(said, form) if begun else NoCall()
        case "gemma":
            return _gemma(said)
        case "granite":
            return _granite(said)
        case "hermes" | "functionary" | "qwen_coder" | "glm":
            return _tagged(said, form, tools)
        case "harmony":
            return headed.harmony(said, tools)
        case "minimax":
            return headed.minimax(said, tools)
        case _:
            return _BY_NAME[form](said)


def _tagged(said: str, form: CallFormat, tools: Mapping[str, JsonObject]) -> ReadCalls:
    openings = {"hermes": ("<tool_call>",), "glm": ("<tool_call>",), "functionary": ("<function=",)}
    if not any(opening in said for opening in openings.get(form, ("<tool_call>", "<function="))):
        return NoCall()
    if form == "hermes":
        return call_markup.hermes(said)
    if form == "functionary":
        return call_markup.functionary(said)
    return call_markup.glm(said, tools) if form == "glm" else call_markup.qwen_coder(said, tools)


def _detected(said: str) -> CallFormat | None:
    if call_markup.MISTRAL in said:
        return "mistral"
    if call_markup.DEEPSEEK in said:
        return "deepseek"
    if form := _detected_headed(said):
        return form
    if tag := _TAG.search(said):
        by_next: dict[str, CallFormat] = {"{": "hermes", "[": "granite", "<function=": "qwen_coder"}
        return by_next.get(tag["next"], "glm")
    if function := _FUNCTION.search(said):
        return "functionary" if function["brace"] else "qwen_coder"
    if _GRANITE[0] in said:
        return "granite"
    if _LLAMA in said:
        return "llama"
    if "```tool_code" in said:
        return "gemma"
    return _detected_bare(said)


def _detected_headed(said: str) -> CallFormat | None:
    if headed.HARMONY in said:
        return "harmony"
    if headed.is_kimi(said):
        return "kimi"
    if headed.is_cohere(said):
        return "cohere"
    marked: dict[str, CallFormat] = {
        headed.MINIMAX: "minimax",
        headed.NEMOTRON: "nemotron",
        headed.OLMO: "olmo",
    }
    return next((form for marker, form in marked.items() if marker in said), None)


def _detected_bare(said: str) -> CallFormat | None:
    body = unfenced(said)
    if _PYTHONIC.match(said):
        return "pythonic"
    if not _JSON.match(body):
        return None
    parsed = parse_strictly(body)
    several = not isinstance(parsed, Refused) and isinstance(parsed.value, dict)
    return "openai" if several and "tool_calls" in body else "json"


def _llama(said: str) -> ReadCalls:
    """`{"name": …, "parameters": …}`, several with semicolons between, after `<|python_tag|>` or not."""
    marked = _LLAMA in said
    rest = said.partition(_LLAMA)[2].strip() if marked else unfenced(said)
    if not rest.startswith("{"):
        return python_calls(rest, "llama") if marked else NoCall()
    calls: list[Call | Refused] = []
    while rest:
        end = call_markup.object_end(rest, 0)
        parsed = parse_strictly(rest[:end])
        if not isinstance(parsed, Refused) and not marked and not calls:
            whole = calls_in(rest[:end], "llama")
            if isinstance(whole, NoCall):
                return whole
        calls.append(parsed if isinstance(parsed, Refused) else call_of(parsed.value))
        rest = rest[end:].strip()
        if rest and not rest.startswith((";", "{")):
            return Refused(reason=f"text after a call: {shorten(rest)!r}")
        rest = rest.removeprefix(";").strip()
    return gathered(calls, "llama")


def _gemma(said: str) -> ReadCalls:
    """Python calls in a fence named `tool_code`, a remark before it or not."""
    fenced = _GEMMA.search(said)
    if fenced is None:
        broken = "```tool_code" in said
        return Refused(reason="the fence of calls does not end") if broken else NoCall()
    if after := said[fenced.end() :].strip():
        return Refused(reason=f"text after a call: {shorten(after)!r}")
    return python_calls(fenced["body"], "gemma")


def _granite(said: str) -> ReadCalls:
    """`<|tool_call|>[{…}, …]` (Granite 3, Phi 4 with a closing marker; earlier Granite `<tool_call>`)."""
    marker = next((marker for marker in _GRANITE if marker in said), None)
    if marker is None:
        return NoCall()
    rest = said.partition(marker)[2].strip()
    for closing in ("<|/tool_call|>", "</tool_call>"):
        rest = rest.removesuffix(closing).strip()
    return calls_in(rest, "granite")
