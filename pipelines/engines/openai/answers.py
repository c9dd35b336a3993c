"""One prompt to one request, and one reply to one answer. Nothing here knows HTTP."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.openai.dialects import Dialect, Ids, dialect_of
from quantgate.pipelines.engines.openai.replies import Choice, Usage, broken, parsed_reply
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.engines.stop_texts import TextOf, before_stop, text_before_stop

_CHAT, _COMPLETIONS = "/v1/chat/completions", "/v1/completions"
_SEED_BITS = 0x7FFFFFFF  # what every server takes
_SPARE_TOKENS = 16
"""A server that guesses ahead may overrun its limit by some."""
_MOST_IDS = 1 << 24
"""Ids of no vocabulary: the largest of today have 2^18."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completions:
    """What all requests of one run share."""

    server: Server
    served_name: str
    decode: DecodeSettings
    stop_token_ids: tuple[int, ...]

    @property
    def dialect(self) -> Dialect:
        """How the server is spoken to."""
        return dialect_of(self.server.engine)

    @property
    def path(self) -> str:
        """Where conversations are sent."""
        return _CHAT if self.server.prompts == "chat" else _COMPLETIONS

    def path_of(self, prompt: Prompt) -> str:
        """Where a prompt is sent: plain text is completed, also by servers that are sent chats."""
        return _CHAT if self._is_chat(prompt) else _COMPLETIONS

    def body(self, prompt: Prompt) -> JsonObject:
        """Return one request's body.

        Raises:
            InputError: where the prompt is bound to a schema and this engine has no way to say so.
        """
        decode, dialect = self.decode, self.dialect
        temperature = decode.temperature if prompt.temperature is None else prompt.temperature
        body: JsonObject = {
            "model": self.served_name,
            "max_tokens": prompt.max_tokens or decode.max_tokens,
            "temperature": temperature,
            "seed": _seed(decode.seed, prompt.item_id),
            "stream": False,
            **dialect.sampling,
            **dialect.asking,
            **dialect.ends(self.stop_token_ids),
            **self._question(prompt),
        }
        if prompt.stop:
            body["stop"] = list(prompt.stop)
        if prompt.schema is not None:
            body |= self._bound(prompt, json.loads(prompt.schema))
        return body | self.server.body

    def answer(self, prompt: Prompt, reply: JsonObject, text_of: TextOf | None = None) -> Answer:
        """Return the answer that a reply holds; `text_of` tells the text of ids, where the server does.

        Raises:
            ServiceError: where it is of another model, holds not just one choice, does not say how long it
                is, or was given to another prompt.
        """
        parsed = parsed_reply(prompt, reply)
        expected = self.dialect.replied_name(self.served_name)
        if parsed.model is not None and parsed.model != expected:
            raise broken(prompt, f"it was answered by {parsed.model}, not by {expected}")
        if len(parsed.choices) != 1:
            count = len(parsed.choices) or "no"
            raise broken(prompt, f"the reply has {count} choices where one was asked for")
        choice, usage = parsed.choices[0], parsed.usage
        self._require_prompt(prompt, usage)
        replied = self.dialect.token_ids(reply)
        ids = None if replied is None else self._answers_ids(prompt, replied, text_of)
        count = _count(prompt, usage, ids, self._most_tokens(prompt))
        return Answer(
            item_id=prompt.item_id,
            text=self._text(prompt, choice, count if ids is None else count + 1),
            token_ids=ids or (),
            finish_reason=_FINISHES.get(choice.finish_reason or "", "error"),
            prompt_tokens=len(prompt.token_ids),
            generated_tokens=None if ids is not None else count,
            reasoning=choice.thought(),
        )

    def _most_tokens(self, prompt: Prompt) -> int:
        return prompt.max_tokens or self.decode.max_tokens

    def _is_chat(self, prompt: Prompt) -> bool:
        return self.server.prompts == "chat" and prompt.chat is not None

    def _question(self, prompt: Prompt) -> JsonObject:
        if self._is_chat(prompt):
            return dict(prompt.chat or {})
        if self.server.prompts == "text" or "ids" not in self.dialect.prompt_forms:
            return {"prompt": prompt.text, **({} if prompt.chat else self.dialect.plain_text)}
        return {"prompt": list(prompt.token_ids)}

    def _bound(self, prompt: Prompt, schema: JsonObject) -> JsonObject:
        chat = self._is_chat(prompt)
        binding = self.dialect.chat_schema if chat else self.dialect.schema
        if binding is None:
            bound, way = (
                ("chats", "") if chat else ("completions", ", or prompts: chat for this server")
            )
            raise InputError(
                f"{bound} of '{self.server.engine}' cannot be bound to a JSON schema",
                where=f"server {self.server.name}",
                next_step=f"set constrained: false in the suite{way}",
            )
        return binding(schema)

    def _text(self, prompt: Prompt, choice: Choice, count: int) -> str:
        """The answer's text; none is nothing said where only an end was generated, which `count` includes."""
        said = choice.said()
        if said is None and not choice.thought() and count > 1:
            raise broken(prompt, f"the reply holds no text, and {count} tokens")
        if (
            choice.has_calls
        ):  # put back here: not the text in which the server looked for stop texts
            return said or ""
        text = text_before_stop(said or "", prompt.stop)
        behind = (said or "")[len(text) :]
        if behind not in ("", *prompt.stop) and not self.dialect.leaves_stop_texts:
            raise broken(
                prompt,
                f"the answer goes on after the stop text {_first_in(behind, prompt.stop)!r}: the server "
                "takes no notice of `stop`",
            )
        return text

    def _require_prompt(self, prompt: Prompt, usage: Usage | None) -> None:
        """The server's count is the witness that it read the prompt as we did."""
        sent = len(prompt.token_ids)
        counted = usage.prompt_tokens if usage else None
        if counted is None and self.server.prompts == "ids":
            return
        if counted is None:
            raise broken(
                prompt,
                "the reply does not count the prompt's tokens (usage.prompt_tokens): nobody knows whether "
                "the server read our prompt",
            )
        if counted != sent:
            raise broken(
                prompt,
                f"our prompt has {sent} tokens and the server counts {counted}: it adds tokens, cuts "
                "prompts, or has another chat template",
            )

    def _answers_ids(self, prompt: Prompt, replied: Ids, text_of: TextOf | None) -> Ids:
        """The ids of the answer alone: before what ended it, be that an id or a stop text."""
        most = self._most_tokens(prompt) + _SPARE_TOKENS
        if len(replied) > most or any(not 0 <= token < _MOST_IDS for token in replied):
            raise broken(
                prompt, f"the reply holds {len(replied)} token ids, or ids that no vocabulary has"
            )
        ends = set(self.stop_token_ids)
        ids = replied
        while ids and ids[-1] in ends:
            ids = ids[:-1]
        if met := ends.intersection(ids):
            raise broken(
                prompt,
                f"the answer goes on after token {min(met)}, which ends answers of this checkpoint: the "
                "served model does not know it as an end",
            )
        if prompt.stop and text_of is not None:
            ids = before_stop(ids, prompt.stop, text_of)[0]
        return ids


def _first_in(text: str, stops: Sequence[str]) -> str:
    """The stop text that a text begins with."""
    return next(stop for stop in stops if stop and text.startswith(stop))


def _count(prompt: Prompt, usage: Usage | None, ids: Ids | None, most: int) -> int:
    """How many tokens were generated: of ids where they are told, else the server's own count."""
    if ids is not None:
        return len(ids)
    counted = usage.completion_tokens if usage else None
    if counted is None:
        raise broken(prompt, "the reply tells neither token ids nor usage: its length is unknown")
    if not 0 <= counted <= most + _SPARE_TOKENS:
        raise broken(
            prompt, f"the server counts {counted} tokens where at most {most} were asked for"
        )
    return counted


_FINISHES: dict[str, Literal["stop", "length"]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "stop",
}
"""`content_filter`, `abort` and whatever else are no end that a model chose: `error`."""


def _seed(seed: int, item_id: str) -> int:
    """One random stream an item, and a sample of it, wherever it stands in the run."""
    digest = hashlib.sha256(f"{seed}:{item_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & _SEED_BITS
