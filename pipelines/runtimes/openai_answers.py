"""One prompt to one request, and one reply to one answer. Nothing here knows HTTP."""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ValidationError

from pipelines.domain.errors import InputError, ServiceError
from pipelines.domain.run import Answer
from pipelines.domain.server import Server
from pipelines.domain.suite import DecodeSettings
from pipelines.domain.values import JsonObject, JsonValue
from pipelines.runtimes.openai_dialects import Dialect, chat_schema, dialect_of
from pipelines.runtimes.protocol import Prompt

_CHAT, _COMPLETIONS = "/v1/chat/completions", "/v1/completions"
_SEED_BITS = 0x7FFFFFFF  # what every server takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
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
            **self._question(prompt),
        }
        if prompt.stop:
            body["stop"] = list(prompt.stop)
        if dialect.stop_token_ids:
            body["stop_token_ids"] = list(self.stop_token_ids)
        if prompt.schema is not None:
            body |= self._bound(prompt, json.loads(prompt.schema))
        return body | self.server.body

    def answer(self, prompt: Prompt, reply: JsonObject) -> Answer:
        """Return the answer that a reply holds.

        Raises:
            ServiceError: where it is of another model, has no choice, or was given to another prompt.
        """
        parsed = _parsed(prompt, reply)
        if parsed.model is not None and parsed.model != self.served_name:
            raise _broken(prompt, f"it was answered by {parsed.model}, not by {self.served_name}")
        if not parsed.choices:
            raise _broken(prompt, "the reply has no choices")
        choice, usage = parsed.choices[0], parsed.usage
        self._require_prompt(prompt, usage)
        ids = self._without_end(prompt, self.dialect.token_ids(reply))
        return Answer(
            item_id=prompt.item_id,
            text=choice.said(),
            token_ids=ids or (),
            finish_reason=_FINISHES.get(choice.finish_reason or "", "error"),
            prompt_tokens=len(prompt.token_ids),
            generated_tokens=None if ids is not None or usage is None else usage.completion_tokens,
            reasoning=choice.thought(),
        )

    def _is_chat(self, prompt: Prompt) -> bool:
        return self.server.prompts == "chat" and prompt.chat is not None

    def _question(self, prompt: Prompt) -> JsonObject:
        if self._is_chat(prompt):
            return dict(prompt.chat or {})
        if self.server.prompts == "text":
            return {"prompt": prompt.text, **({} if prompt.chat else self.dialect.plain_text)}
        return {"prompt": list(prompt.token_ids)}

    def _bound(self, prompt: Prompt, schema: JsonObject) -> JsonObject:
        if self._is_chat(prompt):
            return chat_schema(schema)
        if self.dialect.schema is None:
            raise InputError(
                f"completions of '{self.server.engine}' cannot be bound to a JSON schema",
                where=f"server {self.server.name}",
                next_step="set constrained: false in the suite, or prompts: chat for this server",
            )
        return self.dialect.schema(schema)

    def _require_prompt(self, prompt: Prompt, usage: "_Usage | None") -> None:
        """The server's count is the witness that it read the prompt as we did."""
        wanted = len(prompt.token_ids)
        found = usage.prompt_tokens if usage else None
        if found is None and self.server.prompts == "ids":
            return
        if found != wanted:
            raise _broken(
                prompt,
                f"our prompt has {wanted} tokens and the server counts {found}: it adds tokens, cuts "
                "prompts, or has another chat template",
            )

    def _without_end(self, prompt: Prompt, ids: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if ids is None:
            return None
        ends = set(self.stop_token_ids)
        while ids and ids[-1] in ends:
            ids = ids[:-1]
        if found := ends.intersection(ids):
            raise _broken(
                prompt,
                f"the answer goes on after token {min(found)}, which ends answers of this checkpoint: the "
                "served model does not know it as an end",
            )
        return ids


class _Message(BaseModel):
    """A message; thoughts are called `reasoning_content` or, in vLLM since 0.12, `reasoning`."""

    content: str | None = None
    tool_calls: list[JsonObject] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(BaseModel):
    text: str | None = None
    message: _Message | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    finish_reason: str | None = None

    def said(self) -> str:
        """The answer's text; tool calls that the server took out of it are put back as JSON."""
        if self.message is None:
            return self.text or ""
        calls = [_call(call) for call in self.message.tool_calls or ()]
        told = (
            [json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)]
            if calls
            else []
        )
        return "\n".join([*([self.message.content] if self.message.content else []), *told])

    def thought(self) -> str:
        """What the server took out of the text as thoughts."""
        told = self.message or self
        return told.reasoning_content or told.reasoning or ""


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Reply(BaseModel):
    choices: list[_Choice] = []
    model: str | None = None
    usage: _Usage | None = None


_FINISHES: dict[str, Literal["stop", "length"]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "stop",
}
"""`content_filter`, `abort` and whatever else are no end that a model chose: `error`."""


def _parsed(prompt: Prompt, reply: JsonObject) -> _Reply:
    try:
        return _Reply.model_validate(reply)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise _broken(prompt, f"the reply is malformed ({place}: {problem['msg']})") from error


def _call(call: JsonObject) -> JsonValue:
    """A tool call as text models write it: arguments are JSON text in OpenAI's form."""
    function = call.get("function")
    if not isinstance(function, dict):
        return call
    arguments = function.get("arguments")
    with suppress(ValueError):  # what is no JSON stays as the model wrote it
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
    return {"name": function.get("name"), "arguments": arguments}


def _seed(seed: int, item_id: str) -> int:
    """One random stream an item, and a sample of it, wherever it stands in the run."""
    digest = hashlib.sha256(f"{seed}:{item_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & _SEED_BITS


def _broken(prompt: Prompt, problem: str) -> ServiceError:
    return ServiceError(problem, where=f"item {prompt.item_id}")
