"""What the server runtime and its workers say to each other."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.recipe import KvCacheType
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.divergence.base_messages import Passage
from quantgate.pipelines.engines.openai.process import StartedServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A model to be served by a server, or found there.

    `context_tokens` is the longest prompt with its answer. `server_log` takes a started one's output, and
    `running` is where it is.
    """

    server: Server
    model: Path
    kv_cache: KvCacheType
    threads: int
    slots: int
    context_tokens: int
    server_log: Path
    running: StartedServer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedAnswersCall:
    """Answer JSONL `prompts` in file order, appending to JSONL `answers` what it does not hold yet."""

    serving: Serving
    prompts: Path
    answers: Path
    decode: DecodeSettings
    stop_token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedDivergenceCall:
    """Hold a served base against the checkpoint's own `logits` (a sealed folder).

    `asked` are the positions of each passage that are compared.
    """

    serving: Serving
    passages: tuple[Passage, ...]
    asked: tuple[tuple[int, ...], ...]
    logits: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTally:
    """How many answers were added and how many an earlier call had left."""

    answered: int
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedProbeCall:
    """Serve a model, compare token ids of JSONL `texts` where the server offers that, ask one prompt."""

    serving: Serving
    texts: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedProbe:
    """What came of it. `answers` is False where the server ended and its output blames the file.

    `finite` is False where the server gave a log probability that is no number, None where it gives none.
    `kernels` are lines of a started server's output that name what computes.
    """

    answers: bool
    finite: bool | None
    compared_texts: int
    mismatched_texts: tuple[str, ...]
    kernels: tuple[str, ...]
    detail: str
