"""The chat template and tokenizer of a checkpoint, applied once by us so that all runtimes see the same ids.

Ids are those that Hugging Face transformers gives: `apply_chat_template(tokenize=True)` for conversations,
`tokenizer(text)` for plain text. Templates run in a child process within bounds of time and memory
(`pipelines.evaluation.templates`), tokenizing uses the checkpoint's own tokenizer.json
(`pipelines.formats.tokenizers.checkpoint`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from tokenizers import Tokenizer

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import Digest, JsonObject, JsonValue, digest_of
from quantgate.pipelines.evaluation.templates.calls import RenderCall, RenderReply
from quantgate.pipelines.evaluation.templates.child import TemplateChild, template_key
from quantgate.pipelines.formats.tokenizers.chat_templates import (
    ChatTemplates,
    read_chat_templates,
    template_notes,
)
from quantgate.pipelines.formats.tokenizers.checkpoint import read_tokenizer
from quantgate.pipelines.specs.chat_messages import open_arguments

_CHILD = TemplateChild()
"""Serves every chat format of this process."""

_LONGEST_QUOTE = 110


class TemplateRefusalError(InputError):
    """A chat template refuses a conversation, fails on it, or takes more than it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A text as a model reads it, and its token ids.

    A whole text (`begins`) got what the tokenizer itself puts around plain text, a rendered conversation not.
    """

    text: str
    token_ids: tuple[int, ...]
    begins: bool


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """Renders conversations and turns text into token ids, as one checkpoint wants it.

    `tokens` are special tokens by role, `variables` what a suite or build gives the template beside them.
    """

    templates: ChatTemplates
    tokens: Mapping[str, str]
    tokenizer: Tokenizer
    variables: JsonObject = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    source: str = ""
    child: TemplateChild = field(default=_CHILD, compare=False, repr=False)

    @classmethod
    def of(cls, folder: Path, variables: JsonObject | None = None) -> "ChatFormat":
        """Read templates and tokenizer of a checkpoint folder.

        Raises:
            CheckpointError: where the tokenizer or a template cannot be read.
        """
        vocabulary = read_tokenizer(folder)
        return cls(
            templates=read_chat_templates(folder),
            tokens=vocabulary.names.texts,
            tokenizer=vocabulary.tokenizer,
            variables=variables or {},
            notes=(*vocabulary.notes, *template_notes(folder)),
            source=str(folder),
        )

    @property
    def template(self) -> str:
        """The template of conversations without tools, "" for a plain language model."""
        return self.templates.default

    @property
    def digest(self) -> Digest:
        """Identity of all that decides ids: templates, special tokens, tokenizer, variables."""
        parts: list[JsonValue] = [self.templates.digest, dict(self.tokens), self.tokenizer.to_str()]
        return digest_of([*parts, self.variables] if self.variables else parts)

    def render(
        self,
        messages: Sequence[Message],
        *,
        ask: bool,
        tools: Sequence[JsonObject] = (),
        variables: Mapping[str, JsonValue] | None = None,
        continue_final: bool = False,
    ) -> str:
        """Return a conversation as the model sees it; `ask` opens the assistant's turn.

        `tools` reach the template in OpenAI's form, as `apply_chat_template(tools=…)` hands them over;
        `variables` win over those of this format. `continue_final` leaves the last message open. A checkpoint
        without a chat template is a plain language model: contents are joined by newlines.

        Raises:
            TemplateRefusalError: where the template refuses the conversation, fails on it or takes too much.
        """
        template = self.templates.of(has_tools=bool(tools))
        if not template:
            return "\n".join(message.content for message in messages)
        call = RenderCall(
            key=template_key(template),
            messages=[template_message(message) for message in messages],
            tools=[function_tool(tool) for tool in tools] or None,
            ask=ask and not continue_final,
            continue_final=continue_final,
            variables={**self.tokens, **self.variables, **(variables or {})},
        )
        reply = self.child.render(template, call)
        if reply.problem is not None:
            raise _refusal(reply, template, messages)
        return reply.text

    def read(
        self,
        messages: Sequence[Message],
        *,
        ask: bool = True,
        tools: Sequence[JsonObject] = (),
        variables: Mapping[str, JsonValue] | None = None,
        continue_final: bool = False,
    ) -> Reading:
        """Return a conversation's text and ids; see `render`.

        Raises:
            TemplateRefusalError: as `render`.
        """
        text = self.render(
            messages, ask=ask, tools=tools, variables=variables, continue_final=continue_final
        )
        if self.templates.named:
            return Reading(text=text, token_ids=self.token_ids(text), begins=False)
        return self.read_text(text)

    def read_text(self, text: str) -> Reading:
        """Return plain text with the ids that `tokenizer(text)` gives it."""
        return Reading(text=text, token_ids=self.token_ids(text, begin=True), begins=True)

    def token_ids(self, text: str, *, begin: bool = False) -> tuple[int, ...]:
        """Return the ids of rendered text; special tokens written in it are parsed, none are added.

        `begin` adds those that the tokenizer itself puts around plain text, e.g. a beginning-of-sequence.

        Raises:
            InputError: where the text is none: half of a surrogate pair.
        """
        try:
            return tuple(self.tokenizer.encode(text, add_special_tokens=begin).ids)
        except (UnicodeEncodeError, TypeError) as error:
            raise InputError(
                f"holds half of a character and cannot be tokenized ({error})",
                next_step="look for \\ud800 to \\udfff in it",
            ) from error


def function_tool(tool: JsonObject) -> JsonObject:
    """Return a tool's definition as `{"type": "function", "function": {…}}`, wrapping a bare function."""
    return tool if "function" in tool else {"type": "function", "function": tool}


def template_message(message: Message) -> JsonObject:
    """Return a message as templates read it: what it does not have is left out, arguments are objects."""
    plain: JsonObject = {"role": message.role, "content": message.content}
    for each in fields(message):
        value = getattr(message, each.name)
        if each.name not in plain and value is not None and value != ():
            plain[each.name] = value
    if message.tool_calls:
        plain["tool_calls"] = [open_arguments(call) for call in message.tool_calls]
    return plain


def _refusal(
    reply: RenderReply, template: str, messages: Sequence[Message]
) -> TemplateRefusalError:
    roles = ", ".join(message.role for message in messages)
    lines = template.splitlines()
    quote = reply.tag or (lines[reply.line - 1].strip() if 0 < reply.line <= len(lines) else "")
    shown = f": `{quote}`" if 0 < len(quote) <= _LONGEST_QUOTE else ""
    place = f" (line {reply.line} of the template{shown})" if reply.line else ""
    return TemplateRefusalError(
        f"the model's chat template refuses a conversation ({roles}): {reply.problem}{place}"
    )
