"""Child process: sees whether a server loads a model, tokenizes like its base, and answers."""

import math
from itertools import islice
from pathlib import Path

from quantgate.pipelines.domain.errors import ServiceError, WorkerError
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.openai.answers import Completions
from quantgate.pipelines.engines.openai.dialects import first_choice
from quantgate.pipelines.engines.openai.likeliest import NAN_REFUSED
from quantgate.pipelines.engines.openai.log import is_over_the_file, kernels_in
from quantgate.pipelines.engines.openai.messages import Served
from quantgate.pipelines.engines.openai.replies import OTHER_SERVER
from quantgate.pipelines.engines.openai.session import Session, session
from quantgate.pipelines.engines.request_files import ProbeText, probe_texts
from quantgate.pipelines.engines.requests import ProbeRequest, Prompt, ServedProbeReport
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

_ASKED_TOKENS = 4
_MOST_TEXTS = 500
"""The file's own runtime compares all texts; here a server only has to show that it reads them alike."""
_CLAMPED = -9999.0
"""What vLLM says for minus infinity (vllm/entrypoints/openai: `max(logprob, -9999.0)`)."""
_NO_NUMBERS = ("NaN", "nan", "Infinity", "-Infinity", "inf", "-inf")
"""How servers write in a string what JSON has no number for."""


def probe(call: Served[ProbeRequest], on_progress: OnProgress) -> ServedProbeReport:
    """Look at a model through its server; one that ends is a report where its output blames the file.

    Every other end says nothing of the model: for want of memory or of a port, by a signal, without a word.

    Raises:
        ServiceError: where the server refuses, or serves another model.
        WorkerError: where it ends for another reason, cannot be started, or takes too long.
    """
    on_progress(Progress(done=0, total=0, what="waiting for the server"))
    serving = call.serving
    texts = _texts(call.request.texts, serving.context_tokens)
    try:
        with session(serving) as served:
            on_progress(Progress(done=0, total=0, what="comparing token ids"))
            compared, mismatched = _compare(served, texts)
            finite = _finite(served, texts)
    except WorkerError as error:
        running = serving.running
        if running is None or running.died() is None or running.killed():
            raise
        if not is_over_the_file(running.output()):
            raise
        return ServedProbeReport(
            engine=serving.server.engine,
            loads=False,
            finite=None,
            compared_texts=0,
            mismatched_texts=(),
            kernels=(),
            detail=error.what,
        )
    engine = serving.server.engine
    return ServedProbeReport(
        engine=engine,
        loads=True,
        finite=finite,
        compared_texts=compared,
        mismatched_texts=mismatched,
        kernels=kernels_in(serving.running.output()) if serving.running else (),
        startup_seconds=served.startup_seconds,
        detail=f"{engine} answers, and reads {compared} texts as we do"
        if compared
        else f"{engine} answers",
    )


def _texts(file: Path, context_tokens: int) -> list[ProbeText]:
    """The first texts that fit the context the server is started with."""

    fitting = (
        text
        for text in probe_texts(file)
        if 0 < len(text.token_ids) <= context_tokens - _ASKED_TOKENS
    )
    return list(islice(fitting, _MOST_TEXTS))


def _compare(served: Session, texts: list[ProbeText]) -> tuple[int, tuple[str, ...]]:
    tokenize = served.dialect.tokenize
    mismatched: list[str] = []
    for count, text in enumerate(texts):
        if tokenize is None:
            return 0, ()
        body = tokenize(served.served_name, text.text)
        reply = served.client.post_if_there("/tokenize", body, f"the tokens of text {text.id}")
        if reply is None:
            return count, tuple(mismatched)
        tokens = reply.get("tokens")
        if not isinstance(tokens, list) or not all(type(token) is int for token in tokens):
            raise ServiceError(
                "/tokenize gives no token ids",
                where=f"text {text.id}",
                next_step=OTHER_SERVER,
            )
        if tokens != list(text.token_ids):
            mismatched.append(text.id)
    return len(texts), tuple(mismatched)


def _finite(served: Session, texts: list[ProbeText]) -> bool | None:
    """Ask one prompt; whether all log probabilities that come back are numbers, None where none do."""
    # Without any text there is still a token of every vocabulary to go on from.
    chosen = max(texts, key=lambda text: len(text.token_ids), default=None)
    ids, text = (chosen.token_ids, chosen.text) if chosen else ((0,), "")
    chat: JsonObject = {"messages": [{"role": "user", "content": "Hello"}]}
    completions = Completions(
        server=served.server,
        served_name=served.served_name,
        decode=DecodeSettings(max_tokens=_ASKED_TOKENS),
        stop_token_ids=(),
    )
    prompt = Prompt(item_id="probe", token_ids=ids, text=text, chat=chat)
    body = completions.body(prompt)
    if served.dialect.logprobs and served.server.prompts != "chat":
        body["logprobs"] = 1
    try:
        reply = served.client.post(completions.path, body, "the first prompt")
    except ServiceError as error:
        if NAN_REFUSED in error.what:
            return False
        raise
    if served.server.prompts == "ids":
        completions.answer(prompt, reply)  # which refuses what is no answer to it
    numbers = [_logprob(value) for value in _logprobs(reply)]
    return all(numbers) if numbers else None


def _logprob(value: JsonValue) -> bool:
    """Whether it is a number that a model gave; null is what llama-server writes for one that is none.

    Raises:
        ServiceError: where it is neither: that is the server's fault, and not the file's.
    """
    if value is None or value in _NO_NUMBERS:
        return False
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise ServiceError(
            f"a log probability is {str(value)[:40]!r}",
            where="the first prompt",
            next_step=OTHER_SERVER,
        )
    return math.isfinite(value) and value > _CLAMPED


def _logprobs(reply: JsonObject) -> list[JsonValue]:
    """Log probabilities of generated tokens: a list (vLLM, SGLang), or token by token (llama-server)."""
    logprobs = first_choice(reply).get("logprobs")
    if not isinstance(logprobs, dict):
        return []
    listed, each = logprobs.get("token_logprobs"), logprobs.get("content")
    if isinstance(listed, list):
        return listed
    rows = each if isinstance(each, list) else []
    return [row.get("logprob") for row in rows if isinstance(row, dict)]


if __name__ == "__main__":
    serve(probe, Served[ProbeRequest])
