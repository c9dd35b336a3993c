"""Worker: asks a judge model over an OpenAI-compatible endpoint."""

import os
import re
from typing import cast

from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.http.api_key import header_secret
from quantgate.pipelines.engines.http.client import Endpoint, ServerClient
from quantgate.pipelines.engines.http.patience import Patience
from quantgate.pipelines.evaluation.observing import ObserveCall, ObserveTally
from quantgate.pipelines.evaluation.thoughts import spoken_part
from quantgate.pipelines.evaluation.workers.observations import observe_each
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.process.harness import serve


def observe(call: ObserveCall, on_progress: OnProgress) -> ObserveTally:
    """Ask about every answer; an observation is `{verdict, said, reply}`.

    `verdict` is `right`, `wrong`, or None where the judge gave none; `said` its text; `reply` the whole
    raw reply. What was not asked has None in all three.

    Raises:
        InputError: where an environment variable that the options name is not set.
        ServiceError: where the endpoint refuses, or fails too often; what was judged is kept.
    """
    options = call.options
    at_once = int(str(options["concurrency"]))
    endpoint = _endpoint(options)
    client = ServerClient(endpoint, patience=Patience(tries=int(str(options["retries"])) + 1))

    def observed(question: JsonValue) -> JsonValue:
        prompt = cast("JsonObject", question)["prompt"]
        if prompt is None:
            return {"verdict": None, "said": None, "reply": None}
        reply = client.post("/v1/chat/completions", _body(str(prompt), options), "the judge")
        said = _said(reply, str(options["model"]))
        return {"verdict": verdict(said, options), "said": said, "reply": reply}

    try:
        return observe_each(call, observed, on_progress, at_once=at_once)
    finally:
        client.close()


def verdict(said: str, options: JsonObject) -> str | None:
    """Return which label stands on the last line that is not blank; None for none of them, or both.

    A judge's own thoughts are no verdict.
    """
    lines = [line for line in spoken_part(said).text.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    labels = {
        name
        for name in ("right", "wrong")
        if re.search(rf"(?<!\w){re.escape(str(options[name]))}(?!\w)", last, re.IGNORECASE)
    }
    return labels.pop() if len(labels) == 1 else None


def _body(prompt: str, options: JsonObject) -> JsonObject:
    return {
        "model": options["model"],
        "messages": [{"role": "user", "content": prompt}],
        "temperature": 0,
        "max_tokens": options["max_tokens"],
    }


def _said(reply: JsonObject, model: str) -> str:
    choices = reply.get("choices")
    first = choices[0] if isinstance(choices, list) and len(choices) == 1 else None
    message = first.get("message") if isinstance(first, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(content, str | None):
        raise ServiceError(
            "the reply has not just one choice with message.content",
            where=f"judge {model}",
            next_step="see that the judge's server speaks OpenAI's chat interface, and try again",
        )
    return content or ""


def _endpoint(options: JsonObject) -> Endpoint:
    url = str(options["url"] or _variable(str(options["url_env"])))
    key = str(options["api_key_env"])
    return Endpoint(
        url=url.rstrip("/").removesuffix("/v1"),
        timeout_seconds=float(str(options["seconds"])),
        connections=int(str(options["concurrency"])),
        api_key=header_secret(_variable(key), key, "grader judge") if key else None,
    )


def _variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise InputError(
            f"the environment variable {name} is not set",
            where="grader judge",
            next_step=f"set {name}",
        )
    return value


if __name__ == "__main__":
    serve(observe, ObserveCall)
