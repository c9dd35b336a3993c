"""What servers add to OpenAI's interface: a literal table by engine.

Sources: tools/server of llama.cpp (README.md, server-schema.cpp), vllm/entrypoints/openai of vLLM
(completion/protocol.py) and python/sglang/srt/entrypoints of SGLang. An engine that is not in the table
is sent only what OpenAI's own interface has.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.openai.refusals import (
    NOTHING_REFUSED,
    OPENAI_REFUSALS,
    VLLM_REFUSALS,
    EngineRefusals,
)

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one engine is spoken to.

    `sampling` is sent always: it takes back defaults that a server, or a model's generation_config.json,
    would put between the softmax and the draw. `asking` makes replies hold token ids, which `token_ids`
    finds. `plain_text` goes with text that is no conversation: it asks for what the tokenizer puts around
    it, where a server leaves that out. `schema` returns the fields that bind a completion to a JSON schema.
    `version` and `model_path` are where the server tells them: a path and the keys below it. `tokenize` and
    `detokenize` return the bodies of POST /tokenize and /detokenize, and `detokenized` is the latter's key of
    the text. `template_variables`: chats may hold `chat_template_kwargs`. `refuses` is what requests may not.
    """

    sampling: JsonObject
    asking: JsonObject = field(default_factory=dict)
    token_ids: Callable[[JsonObject], Ids | None] = lambda _reply: None
    plain_text: JsonObject = field(default_factory=dict)
    stop_token_ids: bool = False
    schema: Callable[[JsonObject], JsonObject] | None = None
    version: tuple[str, str] | None = None
    model_path: tuple[str, str] | None = None
    tokenize: Callable[[str, str], JsonObject] | None = None
    detokenize: Callable[[str, Sequence[int]], JsonObject] | None = None
    detokenized: str = ""
    logprobs: bool = False
    template_variables: bool = False
    refuses: EngineRefusals = NOTHING_REFUSED


def dialect_of(engine: str) -> Dialect:
    """Return how an engine is spoken to; OpenAI's own interface where it is not known."""
    return DIALECTS.get(engine, OPENAI)


def chat_schema(schema: JsonObject) -> JsonObject:
    """Return OpenAI's own field for a JSON schema, which chat endpoints have."""
    wrapped: JsonObject = {"name": "answer", "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": wrapped}}


def first_choice(reply: JsonObject) -> JsonObject:
    """Return the first choice of a reply, empty where there is none."""
    choices = reply.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def _llama_server_ids(reply: JsonObject) -> Ids | None:
    verbose = reply.get("__verbose")
    return _ids(verbose.get("tokens")) if isinstance(verbose, dict) else None


def _vllm_ids(reply: JsonObject) -> Ids | None:
    return _ids(first_choice(reply).get("token_ids"))


def _ids(value: JsonValue) -> Ids | None:
    if not isinstance(value, list):
        return None
    ids = [token for token in value if isinstance(token, int) and not isinstance(token, bool)]
    return tuple(ids) if len(ids) == len(value) else None


OPENAI = Dialect(
    sampling={"top_p": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0},
    refuses=OPENAI_REFUSALS,
)

_PLAIN_SAMPLING: JsonObject = {
    "top_k": -1,
    "top_p": 1.0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""In the words that vLLM and SGLang share."""

DIALECTS: Mapping[str, Dialect] = {
    "llama-server": Dialect(
        sampling={"top_k": 0, "top_p": 1.0, "min_p": 0.0, "repeat_penalty": 1.0},
        asking={"return_tokens": True, "verbose": True},
        token_ids=_llama_server_ids,
        # Its completions endpoint takes no notice of response_format.
        schema=lambda schema: {"json_schema": schema},
        version=("/props", "build_info"),
        model_path=("/props", "model_path"),
        tokenize=lambda _model, text: {
            "content": text,
            "add_special": False,
            "parse_special": True,
        },
        detokenize=lambda _model, ids: {"tokens": list(ids)},
        detokenized="content",
        logprobs=True,
        template_variables=True,
    ),
    "vllm": Dialect(
        sampling=_PLAIN_SAMPLING | {"add_special_tokens": False},
        asking={"return_token_ids": True},
        token_ids=_vllm_ids,
        plain_text={"add_special_tokens": True},
        stop_token_ids=True,
        schema=chat_schema,
        version=("/version", "version"),
        tokenize=lambda model, text: {
            "model": model,
            "prompt": text,
            "add_special_tokens": False,
        },
        detokenize=lambda model, ids: {"model": model, "tokens": list(ids)},
        detokenized="prompt",
        logprobs=True,
        template_variables=True,
        refuses=VLLM_REFUSALS,
    ),
    "sglang": Dialect(
        sampling=_PLAIN_SAMPLING,
        stop_token_ids=True,
        schema=lambda schema: {"json_schema": json.dumps(schema)},
        version=("/get_server_info", "version"),
        model_path=("/get_model_info", "model_path"),
        logprobs=True,
        template_variables=True,
    ),
}
