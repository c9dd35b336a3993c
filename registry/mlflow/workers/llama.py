"""Answers of llama.cpp. Only this module imports it: other versions are answered without it."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from llama_cpp import Llama

from .conversations import Conversation, opened, warn_of_another_version

_CACHES = {"f16": 1, "q8_0": 8, "q4_0": 2}
"""ggml's numbers of types (`enum ggml_type`, ggml.h)."""


class LlamaCppAnswers:
    """llama.cpp, by llama-cpp-python; prompts are rendered with the chat template that the file holds."""

    def __init__(self, artifact: Path, facts: Mapping[str, str], config: Mapping[str, Any]) -> None:
        """Load the file."""
        warn_of_another_version("llama-cpp-python", facts["runtime_version"].split()[-1])
        cache = facts["runtime_kv_cache"]
        self._llama = Llama(
            str(artifact),
            n_ctx=int(config["context_tokens"]),
            type_k=_CACHES[cache],
            type_v=_CACHES[cache],
            flash_attn=cache != "f16",  # llama.cpp quantizes the cache of values with it alone
            verbose=False,
        )
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals |= {"raise_exception": _refuse, "strftime_now": _now}
        template = self._llama.metadata.get("tokenizer.chat_template", "")
        self._template = environment.from_string(template) if template else None

    def answer(self, conversation: Conversation, decode: Mapping[str, Any]) -> str:
        """Return what the model says next.

        Raises:
            ValueError: the conversation does not fit the context, or the template refuses it.
        """
        text = self._text(conversation, decode["template_variables"])
        begins = self._template is None
        ids = self._llama.tokenize(text.encode(), add_bos=begins, special=not begins)
        room = self._llama.n_ctx() - len(ids)
        if room <= 0:
            raise ValueError(
                f"the conversation has {len(ids):,} tokens, and the context {self._llama.n_ctx():,}: "
                "load the model with model_config={'context_tokens': …}"
            )
        reply = self._llama.create_completion(
            ids,
            max_tokens=min(room, int(decode["max_tokens"])),
            temperature=decode["temperature"],
            seed=decode["seed"],
            stop=list(decode["stop"]),
            **{"top_p": 1.0, "top_k": 0, "min_p": 0.0, "typical_p": 1.0, "repeat_penalty": 1.0},
        )
        return str(reply["choices"][0]["text"])

    def _text(self, conversation: Conversation, variables: Mapping[str, Any]) -> str:
        messages = conversation["messages"]
        if self._template is None:
            return "\n".join(message["content"] for message in messages)
        tokens = {
            name: self._llama._model.token_get_text(token) if token >= 0 else ""
            for name, token in (
                ("bos_token", self._llama.token_bos()),
                ("eos_token", self._llama.token_eos()),
            )
        }
        return self._template.render(
            messages=opened(messages),
            tools=conversation["tools"],
            documents=None,
            add_generation_prompt=True,
            **{**tokens, **variables},
        )


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)


def _to_json(value: object, indent: int | None = None, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, **options)


def _refuse(message: str) -> None:
    raise ValueError(f"the chat template refuses the conversation: {message}")
