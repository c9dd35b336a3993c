"""Child process: sees whether a server loads a model, tokenizes like its base, and answers."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.domain.errors import WorkerError
from pipelines.domain.suite import DecodeSettings
from pipelines.domain.values import JsonObject, JsonValue
from pipelines.files.records import from_json
from pipelines.process.calls import OnProgress, Progress
from pipelines.process.harness import serve
from pipelines.runtimes.openai_answers import Asking
from pipelines.runtimes.openai_dialects import first_choice
from pipelines.runtimes.openai_messages import ServedProbe, ServedProbeCall
from pipelines.runtimes.openai_session import Session, session
from pipelines.runtimes.protocol import Prompt

_CONTEXT_TOKENS = 256
_MOST_TEXTS = 500
"""The file's own runtime compares all texts; here a server only has to show that it reads them alike."""

_OVER_THE_FILE = (
    "ended with exit code",
    *(f"was killed by {name}" for name in ("SIGABRT", "SIGSEGV", "SIGBUS", "SIGFPE")),
)
_NOT_THE_FILE = re.compile(r"out of memory|address already in use|couldn't bind", re.IGNORECASE)
"""What ends a server whatever it loads: a report would be sealed and held against the variant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    id: str
    text: str
    token_ids: tuple[int, ...]


def probe(call: ServedProbeCall, on_progress: OnProgress) -> ServedProbe:
    """Look at a model through its server; a server that ends over it is a report with its last words.

    One that ends for want of memory or a port, or does not come up in time, says nothing of the model.

    Raises:
        ServiceError: where the server refuses, or serves another model.
        WorkerError: where it ends for another reason, cannot be started, or takes too long.
    """
    on_progress(Progress(done=0, total=0, what="starting the server"))
    texts = _texts(call.texts)
    try:
        with session(call.serving, _CONTEXT_TOKENS) as served:
            on_progress(Progress(done=0, total=0, what="comparing token ids"))
            compared, mismatched = _compare(served, texts)
            finite = _finite(served, texts)
    except WorkerError as error:
        if not _is_over_the_file(error, call.serving.server.engine):
            raise
        return ServedProbe(
            answers=False, finite=False, compared_texts=0, mismatched_texts=(), detail=error.what
        )
    return ServedProbe(
        answers=True,
        finite=finite,
        compared_texts=compared,
        mismatched_texts=mismatched,
        detail=f"{call.serving.server.engine} answers, and reads {compared} texts as we do"
        if compared
        else f"{call.serving.server.engine} answers",
    )


def _is_over_the_file(error: WorkerError, engine: str) -> bool:
    ended = error.what.startswith(tuple(f"{engine} {how}" for how in _OVER_THE_FILE))
    return ended and not _NOT_THE_FILE.search(error.what)


def _texts(file: Path) -> list[_Text]:
    """The first texts that fit the context the server is started with."""

    def fitting() -> Iterator[_Text]:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                text = from_json(_Text, json.loads(line))
                if 0 < len(text.token_ids) < _CONTEXT_TOKENS:
                    yield text

    return [text for text, _ in zip(fitting(), range(_MOST_TEXTS), strict=False)]


def _compare(served: Session, texts: list[_Text]) -> tuple[int, tuple[str, ...]]:
    tokenize = served.dialect.tokenize
    mismatched: list[str] = []
    for count, text in enumerate(texts):
        if tokenize is None:
            return 0, ()
        body = tokenize(served.served_name, text.text)
        reply = served.client.post_if_there("/tokenize", body, f"the tokens of text {text.id}")
        if reply is None:
            return count, tuple(mismatched)
        if reply.get("tokens") != list(text.token_ids):
            mismatched.append(text.id)
    return len(texts), tuple(mismatched)


def _finite(served: Session, texts: list[_Text]) -> bool:
    """Ask one prompt; whether no log probability that comes back is something else than a number."""
    # Without any text there is still a token of every vocabulary to go on from.
    ids, text = (texts[0].token_ids, texts[0].text) if texts else ((0,), "")
    chat: JsonObject = {"messages": [{"role": "user", "content": "Hello"}]}
    asking = Asking(
        server=served.server,
        served_name=served.served_name,
        decode=DecodeSettings(max_tokens=1),
        stop_token_ids=(),
    )
    body = asking.body(Prompt(item_id="probe", token_ids=ids, text=text, chat=chat))
    if served.dialect.logprobs and served.server.prompts != "chat":
        body["logprobs"] = 1
    reply = served.client.post(asking.path, body, "the first prompt")
    return all(isinstance(p, float | int) and math.isfinite(p) for p in _logprobs(reply))


def _logprobs(reply: JsonObject) -> list[JsonValue]:
    """Log probabilities of generated tokens: a list (vLLM, SGLang), or token by token (llama-server)."""
    found = first_choice(reply).get("logprobs")
    if not isinstance(found, dict):
        return []
    listed, each = found.get("token_logprobs"), found.get("content")
    if isinstance(listed, list):
        return listed
    rows = each if isinstance(each, list) else []
    return [row.get("logprob") for row in rows if isinstance(row, dict)]


if __name__ == "__main__":
    serve(probe, ServedProbeCall)
