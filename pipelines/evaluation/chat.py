"""The chat template and tokenizer of a checkpoint, applied once by us so that all runtimes see the same ids.

Rendering follows the environment that `transformers.apply_chat_template` sets up (sandboxed Jinja2 with
`trim_blocks`, `lstrip_blocks`, loop controls, a non-escaping `tojson`, `raise_exception` and
`strftime_now`); tokenizing uses the checkpoint's own tokenizer.json, adding no special tokens of its own.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from pipelines.domain.errors import CheckpointError, InputError
from pipelines.domain.suite import Message
from pipelines.domain.values import JsonObject
from pipelines.files.tokenizer_folder import chat_template_text, special_tokens

_FIXED_NOW = datetime(2000, 1, 1, tzinfo=UTC)
"""Templates that print today's date would make every day another suite; they get this date instead."""


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """Renders conversations and turns text into token ids, as one checkpoint wants it."""

    template: str
    tokens: dict[str, str]
    tokenizer: Tokenizer

    @classmethod
    def of(cls, folder: Path) -> "ChatFormat":
        """Read template and tokenizer of a checkpoint folder.

        Raises:
            CheckpointError: where the tokenizer cannot be read.
        """
        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the Rust library raises bare Exception
            raise CheckpointError(
                f"the tokenizer cannot be read ({error})", where=str(folder / "tokenizer.json")
            ) from error
        return cls(chat_template_text(folder), special_tokens(folder), tokenizer)

    def render(
        self, messages: tuple[Message, ...], *, ask: bool, tools: tuple[JsonObject, ...] = ()
    ) -> str:
        """Return a conversation as the model sees it; `ask` opens the assistant's turn.

        `tools` reach the template in OpenAI's form, as `apply_chat_template(tools=…)` hands them over.
        A checkpoint without a chat template is a plain language model: contents are joined by newlines.

        Raises:
            InputError: where the template refuses the conversation.
        """
        if not self.template:
            return "\n".join(message.content for message in messages)
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = _FIXED_NOW.strftime
        try:
            return environment.from_string(self.template).render(
                messages=[_plain(message) for message in messages],
                tools=[function_tool(tool) for tool in tools] or None,
                documents=None,
                add_generation_prompt=ask,
                **self.tokens,
            )
        except TemplateError as error:
            roles = ", ".join(message.role for message in messages)
            raise InputError(
                f"the model's chat template refuses a conversation ({roles}): {error}"
            ) from error

    def token_ids(self, text: str, *, begin: bool = False) -> tuple[int, ...]:
        """Return the ids of rendered text; special tokens written in it are parsed, none are added.

        `begin` adds those that the tokenizer itself puts around plain text, e.g. a beginning-of-sequence.
        """
        return tuple(self.tokenizer.encode(text, add_special_tokens=begin).ids)


def function_tool(tool: JsonObject) -> JsonObject:
    """Return a tool's definition as `{"type": "function", "function": {…}}`, wrapping a bare function."""
    return tool if "function" in tool else {"type": "function", "function": tool}


def _plain(message: Message) -> JsonObject:
    plain: JsonObject = {"role": message.role, "content": message.content}
    if message.name is not None:
        plain["name"] = message.name
    if message.tool_calls:
        plain["tool_calls"] = list(message.tool_calls)
    if message.tool_call_id is not None:
        plain["tool_call_id"] = message.tool_call_id
    return plain


def _to_json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)
