"""Answers of a server that speaks OpenAI's interface."""

import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.request import Request, urlopen

from .conversations import Conversation

_SECONDS = 600


class ServerAnswers:
    """A server that serves the version, asked by OpenAI's chat interface."""

    def __init__(self, engine: str, config: Mapping[str, Any], serve: str) -> None:
        """Nothing is asked yet."""
        address = str(config.get("server") or os.environ.get("QUANTGATE_SERVER", "")).rstrip("/")
        if not address:
            raise ValueError(
                f"this version was judged in {engine}, and answers there alone. Serve it ({serve}), then "
                "set QUANTGATE_SERVER=http://HOST:PORT/v1, or load it with model_config={'server': …}"
            )
        self._address, self._model = address, config.get("server_model")

    def answer(self, conversation: Conversation, decode: Mapping[str, Any]) -> str:
        """Return what the server says next."""
        if self._model is None:
            self._model = self._asked("models")["data"][0]["id"]
        body = {
            name: conversation[name] for name in ("messages", "tools") if conversation.get(name)
        }
        body |= {"model": self._model, "top_p": 1.0}
        body |= {name: decode[name] for name in ("max_tokens", "temperature", "seed", "stop")}
        if decode["template_variables"]:
            body["chat_template_kwargs"] = decode["template_variables"]
        message = self._asked("chat/completions", body)["choices"][0]["message"]
        return str(message.get("content") or json.dumps(message.get("tool_calls") or ""))

    def _asked(self, route: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get("QUANTGATE_SERVER_KEY"):
            headers["Authorization"] = f"Bearer {key}"
        content = None if body is None else json.dumps(body).encode()
        request = Request(f"{self._address}/{route}", content, headers)
        with urlopen(request, timeout=_SECONDS) as reply:
            answer: dict[str, Any] = json.load(reply)
        return answer
