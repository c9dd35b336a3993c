"""What servers add to OpenAI's interface: a literal table by engine.

Sources: tools/server of llama.cpp (README.md, server-schema.cpp), vllm/entrypoints/openai of vLLM
(completion/protocol.py), sglang/srt/entrypoints of SGLang 0.5.23, and cli/serving of transformers 5.17. An
engine that is not in the table is sent only what OpenAI's own interface has.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from quantgate.pipelines.domain.server import PromptForm
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.openai.refusals import (
    NOTHING_REFUSED,
    OPENAI_REFUSALS,
    VLLM_REFUSALS,
    EngineRefusals,
)

Ids = tuple[int, ...]
Place = tuple[str, str]
"""A path, and a key of what GET gives there."""


def _response_format(schema: JsonObject) -> JsonObject:
    """Return OpenAI's own field for a JSON schema, which chat endpoints have."""
    wrapped: JsonObject = {"name": "answer", "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": wrapped}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one engine is spoken to."""

    sampling: JsonObject
    """Sent always: takes back what a server, or a model's generation_config.json, would put between the
    softmax and the draw."""
    asking: JsonObject = field(default_factory=dict)
    """Makes replies hold token ids, which `token_ids` finds."""
    token_ids: Callable[[JsonObject], Ids | None] = lambda _reply: None
    plain_text: JsonObject = field(default_factory=dict)
    """Goes with text that is no conversation: asks for what the tokenizer puts around it, where a server
    leaves that out."""
    ends: Callable[[Sequence[int]], JsonObject] = lambda _ids: {}
    """Fields that make token ids end an answer."""
    endless: JsonObject = field(default_factory=dict)
    """Fields that let nothing end an answer before its limit."""
    schema: Callable[[JsonObject], JsonObject] | None = None
    """Fields that bind a completion to a JSON schema; None where nothing does."""
    chat_schema: Callable[[JsonObject], JsonObject] | None = _response_format
    """The same for a chat."""
    version: tuple[Place, ...] = ()
    """Where the server tells it: the first path that it has."""
    model_path: tuple[Place, ...] = ()
    """Likewise."""
    asking_version: tuple[str, ...] = ("--version",)
    """Arguments with which its program tells its version."""
    tokenize: Callable[[str, str], JsonObject] | None = None
    """The body of POST /tokenize."""
    detokenize: Callable[[str, Sequence[int]], JsonObject] | None = None
    """The body of POST /detokenize; `detokenized` is its reply's key of the text."""
    detokenized: str = ""
    logprobs: bool = False
    template_variables: bool = False
    """Chats may hold `chat_template_kwargs`."""
    refuses: EngineRefusals = NOTHING_REFUSED
    """What requests may not hold."""
    prompt_forms: tuple[PromptForm, ...] = ("ids", "text", "chat")
    """Those that it takes."""
    most_requests: int | None = None
    """How many it answers at a time, None where any number."""
    lists_models: bool = True
    """Whether GET /v1/models names what it loaded."""
    replied_name: Callable[[str], str] = lambda name: name
    """What its replies call a model that was asked for by a name."""
    leaves_stop_texts: bool = False
    """Whether an answer holds the stop text that ended it."""
    refused_options: Mapping[str, str] = field(default_factory=dict)
    """Options of its command with which answers would be none to our requests, and why."""


def dialect_of(engine: str) -> Dialect:
    """Return how an engine is spoken to; OpenAI's own interface where it is not known."""
    return DIALECTS.get(engine, OPENAI)


def first_choice(reply: JsonObject) -> JsonObject:
    """Return the first choice of a reply, empty where there is none."""
    choices = reply.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def _llama_server_ids(reply: JsonObject) -> Ids | None:
    verbose = reply.get("__verbose")
    return _ids(verbose.get("tokens")) if isinstance(verbose, dict) else None


def _choice_ids(reply: JsonObject) -> Ids | None:
    return _ids(first_choice(reply).get("token_ids"))


def _ids(value: JsonValue) -> Ids | None:
    if not isinstance(value, list):
        return None
    ids = [token for token in value if isinstance(token, int) and not isinstance(token, bool)]
    return tuple(ids) if len(ids) == len(value) else None


def _tokenize(model: str, text: str) -> JsonObject:
    return {"model": model, "prompt": text, "add_special_tokens": False}


def _detokenize(model: str, ids: Sequence[int]) -> JsonObject:
    return {"model": model, "tokens": list(ids)}


def _stop_token_ids(ids: Sequence[int]) -> JsonObject:
    return {"stop_token_ids": list(ids)}


def _generation_config(ids: Sequence[int]) -> JsonObject:
    """All settings of an answer, in place of the checkpoint's; `temperature` 0 switches the draw off."""
    plain: JsonObject = {"do_sample": True, "top_k": 0}
    ending: JsonObject = {"eos_token_id": list(ids), "pad_token_id": ids[0]} if ids else {}
    return {"generation_config": json.dumps(plain | ending)}


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
        endless={"ignore_eos": True},
        # Its completions endpoint takes no notice of response_format.
        schema=lambda schema: {"json_schema": schema},
        version=(("/props", "build_info"),),
        model_path=(("/props", "model_path"),),
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
        token_ids=_choice_ids,
        plain_text={"add_special_tokens": True},
        ends=_stop_token_ids,
        endless={"ignore_eos": True},
        schema=_response_format,
        version=(("/version", "version"),),
        tokenize=_tokenize,
        detokenize=_detokenize,
        detokenized="prompt",
        logprobs=True,
        template_variables=True,
        refuses=VLLM_REFUSALS,
    ),
    "sglang": Dialect(
        sampling=_PLAIN_SAMPLING,
        asking={"return_token_ids": True},
        token_ids=_choice_ids,
        ends=_stop_token_ids,
        endless={"ignore_eos": True},
        schema=lambda schema: {"json_schema": json.dumps(schema)},
        version=(("/server_info", "version"), ("/get_server_info", "version")),  # newer, older
        model_path=(("/model_info", "model_path"), ("/get_model_info", "model_path")),
        tokenize=_tokenize,
        detokenize=_detokenize,
        detokenized="text",
        logprobs=True,
        template_variables=True,
    ),
    # `transformers serve`. It answers one request after the other, and calls a model `PATH@main`.
    "transformers-serve": Dialect(
        sampling={"top_p": 1.0, "frequency_penalty": 0.0},
        ends=_generation_config,
        asking_version=("version",),
        template_variables=True,
        chat_schema=None,
        prompt_forms=("text", "chat"),
        most_requests=1,
        lists_models=False,
        replied_name=lambda name: name if "@" in name else f"{name}@main",
        leaves_stop_texts=True,
        refused_options={
            "--continuous-batching": "gives all requests the first one's temperature, and no stop text"
        },
    ),
}
