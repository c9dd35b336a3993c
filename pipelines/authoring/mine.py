"""Items proposed from real traffic where a quantized model is most likely to answer differently."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quantgate.pipelines.authoring.candidates import ReadTraffic, SuiteCandidate, Traffic
from quantgate.pipelines.authoring.choosing import Chosen, choose
from quantgate.pipelines.authoring.margins import MarginsMeasure
from quantgate.pipelines.authoring.signals import Ranking, cheap_rankings, margins_ranking
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.checkpoints.tools import CheckpointTools
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.engines.margins import AnswerMargin
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.calls import OnProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class MineRequest:
    """What to propose: `take` items of a traffic file, for answers of at most `max_tokens`.

    `look_at` rows at most are answered by the model to measure its margins, drawn by `seed`.
    """

    traffic: Path
    model: str
    take: int = 50
    look_at: int = 2000
    max_tokens: int = 128
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MineTools:
    """What mining works with here: where models come from, who reads chat logs, who measures margins."""

    store: Store
    hub: HubSettings
    read_traffic: ReadTraffic
    margins: MarginsMeasure
    checkpoint_tools: CheckpointTools = field(default_factory=CheckpointTools)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    """Proposed items, the model's own answers by source, and what the traffic was."""

    model: str
    traffic: Traffic
    chosen: tuple[Chosen, ...]
    rankings: tuple[Ranking, ...]
    margins: Mapping[str, AnswerMargin]
    max_tokens: int


def mine(request: MineRequest, tools: MineTools, on_progress: OnProgress) -> Mined:
    """Read the traffic, measure the full-precision model's margins on it, choose a mixture.

    Raises:
        InputError: where the traffic cannot be used.
        CheckpointError, ToolchainError, ServiceError, WorkerError: from model, converter and worker.
    """
    checkpoint = resolve_checkpoint(
        request.model,
        name=None,
        store=tools.store,
        hub=tools.hub,
        tools=tools.checkpoint_tools,
        on_progress=on_progress,
    )
    chat = ChatFormat.of(checkpoint.folder)
    room = checkpoint.context_length_tokens - request.max_tokens
    if room <= 0:
        raise InputError(
            f"answers of {request.max_tokens} tokens leave nothing of the model's context of "
            f"{checkpoint.context_length_tokens}",
            where="--max-tokens",
            next_step="ask for fewer tokens, or name a model with a longer context",
        )
    traffic = tools.read_traffic(request.traffic, chat, room)
    asked = _drawn(traffic.candidates, request.look_at, request.seed)
    margins = tools.margins.of(asked, checkpoint, request.max_tokens, on_progress)
    rankings = (
        margins_ranking(traffic.candidates, margins),
        *cheap_rankings(traffic.candidates, lambda ids: chat.tokenizer.decode(list(ids))),
    )
    return Mined(
        model=checkpoint.source,
        traffic=traffic,
        chosen=choose(traffic.candidates, rankings, request.take),
        rankings=rankings,
        margins=margins,
        max_tokens=request.max_tokens,
    )


def _drawn(candidates: Sequence[SuiteCandidate], most: int, seed: int) -> list[SuiteCandidate]:
    """The rows whose hash with the seed is smallest: a larger number draws a superset."""

    def rank(candidate: SuiteCandidate) -> str:
        return hashlib.sha256(
            f"{seed}:{candidate.source}:{candidate.question}".encode()
        ).hexdigest()

    drawn = set(sorted(map(rank, candidates))[:most])
    return [candidate for candidate in candidates if rank(candidate) in drawn]
