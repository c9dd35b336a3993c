"""The Jinja environment in which chat templates run, as Hugging Face transformers sets it up.

Source: `_compile_jinja_template` and `render_jinja_template` in transformers/utils/chat_template_utils.py
(5.17). Imported in the child process that renders; what differs from there: the date is fixed, and what
draws at random is seeded, so that a suite has one set of prompts.
"""

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

from quantgate.pipelines.evaluation.templates.calls import RenderCall

FIXED_NOW = datetime(2000, 1, 1, tzinfo=UTC)
"""Templates that print today's date would make every day another suite; they get this date instead."""

_OPEN_END = "CONTINUE_FINAL_MESSAGE_TAG "
"""What transformers writes behind a message that is to be continued; templates may trim its space."""


class OversizeError(ValueError):
    """A template wrote more than is allowed."""


def environment() -> ImmutableSandboxedEnvironment:
    """Return a new environment."""
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    made.filters["tojson"] = _to_json
    made.globals["raise_exception"] = _raise
    made.globals["strftime_now"] = FIXED_NOW.strftime
    return made


def rendered(template: Template, call: RenderCall, most_characters: int) -> str:
    """Return the text of a conversation.

    Raises:
        OversizeError: where it is longer than allowed.
        Exception: whatever the template raises.
    """
    random.seed(0)
    messages = deepcopy(call.messages)
    last = _opened(messages) if call.continue_final else ""
    variables: dict[str, Any] = {"documents": None, **call.variables}
    pieces = template.generate(
        messages=messages, tools=call.tools, add_generation_prompt=call.ask, **variables
    )
    text = "".join(_bounded(pieces, most_characters))
    return _cut(text, last) if call.continue_final else text


def _bounded(pieces: Iterator[str], most_characters: int) -> Iterator[str]:
    written = 0
    for piece in pieces:
        written += len(piece)
        if written > most_characters:
            raise OversizeError(f"it writes more than {most_characters:,} characters")
        yield piece


def _opened(messages: list[dict[str, Any]]) -> str:
    """Mark where the last message ends; return what it says."""
    content = messages[-1].get("content") if messages else None
    if not isinstance(content, str):
        raise ValueError("the last message has no text to go on from")
    messages[-1]["content"] = content + _OPEN_END
    return content


def _cut(text: str, last: str) -> str:
    """Return a conversation up to the end of its last message, whose trailing space the template may trim."""
    mark = _OPEN_END.strip()
    if last.strip() not in text or mark not in text:
        raise ValueError("the template leaves out the last message, which was to be continued")
    at = text.rindex(mark)
    kept = text[:at]
    return kept if text[at : at + len(_OPEN_END)] == _OPEN_END else kept.rstrip()


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}` marks what the assistant wrote; it is rendered as it stands."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """Turn the block into a call of its own body, which gives it a scope of its own."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        call = nodes.CallBlock(self.call_method("_as_it_stands"), [], [], body)
        return call.set_lineno(line)

    def _as_it_stands(self, caller: Macro) -> str:
        return caller()


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)
