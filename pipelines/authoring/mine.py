"""Items proposed from real traffic where a quantized model is most likely to answer differently."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.authoring.candidates import ReadTraffic, SuiteCandidate, Traffic
from quantgate.pipelines.authoring.choosing import Chosen, choose
from quantgate.pipelines.authoring.signals import Ranking, cheap_rankings, margins_ranking
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.engines.margins import AnswerMargin, MarginsCall, MarginsTally
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.engines.runtime import Runtime
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.records import from_json, to_json, write_text
from quantgate.pipelines.files.sealed import produce_once, read_manifest, verify
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.tokenizer_folder import special_token_ids
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall

_WORKER = "quantgate.pipelines.engines.llamacpp.workers.margins"
_LINES = "margins.jsonl"
_KEY_LENGTH = 16


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
    """What mining works with here. `runtime` measures margins, `read_traffic` reads chat logs."""

    store: Store
    hub: HubSettings
    threads: int
    runtime: Runtime
    run_worker: RunWorker
    read_traffic: ReadTraffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    """Proposed items, the model's own answers by source, and what the traffic was."""

    model: str
    traffic: Traffic
    chosen: tuple[Chosen, ...]
    rankings: tuple[Ranking, ...]
    margins: dict[str, AnswerMargin]
    max_tokens: int


def mine(request: MineRequest, tools: MineTools, on_progress: OnProgress) -> Mined:
    """Read the traffic, measure the full-precision model's margins on it, choose a mixture.

    Raises:
        InputError: where the traffic cannot be used.
        CheckpointError, ToolchainError, ServiceError, WorkerError: from model, converter and worker.
    """
    checkpoint = resolve_checkpoint(
        request.model, name=None, store=tools.store, hub=tools.hub, on_progress=on_progress
    )
    chat = ChatFormat.of(checkpoint.folder)
    room = checkpoint.context_length_tokens - request.max_tokens
    if room <= 0:
        raise InputError(
            f"answers of {request.max_tokens} tokens leave nothing of the model's context of "
            f"{checkpoint.context_length_tokens}",
            where="--max-tokens",
        )
    traffic = tools.read_traffic(request.traffic, chat, room)
    asked = _drawn(traffic.candidates, request)
    margins = _margins(asked, request, checkpoint, tools, on_progress)
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


def _drawn(candidates: Sequence[SuiteCandidate], request: MineRequest) -> list[SuiteCandidate]:
    """The rows whose hash with the seed is smallest: a larger number draws a superset."""

    def rank(candidate: SuiteCandidate) -> str:
        return hashlib.sha256(
            f"{request.seed}:{candidate.source}:{candidate.question}".encode()
        ).hexdigest()

    drawn = set(sorted(map(rank, candidates))[: request.look_at])
    return [candidate for candidate in candidates if rank(candidate) in drawn]


def _margins(
    asked: Sequence[SuiteCandidate],
    request: MineRequest,
    checkpoint: Checkpoint,
    tools: MineTools,
    on_progress: OnProgress,
) -> dict[str, AnswerMargin]:
    """Measure margins once for each content; answers are the F16 GGUF's, which verdicts compare with."""
    runtime = tools.runtime
    scratch = tools.store.checkpoint(checkpoint.digests.combined)
    prompts = [
        to_json(Prompt(item_id=candidate.source, token_ids=candidate.token_ids))
        for candidate in asked
    ]
    key = digest_of(
        [checkpoint.digests.combined, prompts, request.max_tokens, source_digest(_WORKER)]
    )
    folder = tools.store.root / "margins" / f"{checkpoint.name}--{key[:_KEY_LENGTH]}"

    def produce(staging: Path) -> MarginsTally:
        base = runtime.reference(checkpoint, scratch, tools.run_worker, on_progress)
        file = staging / "prompts.jsonl"
        write_text(file, "".join(json.dumps(row) + "\n" for row in prompts))
        schedule = runtime.schedule(tools.threads)
        call = WorkerCall(
            module=_WORKER,
            request=MarginsCall(
                model=base.path,
                prompts=file,
                margins=staging / _LINES,
                max_tokens=request.max_tokens,
                stop_token_ids=special_token_ids(checkpoint.folder).end,
                slots=schedule.slots,
                threads=schedule.threads,
            ),
            log=tools.store.logs / f"{folder.name}.log",
            threads=schedule.threads,
        )
        return tools.run_worker(call, MarginsTally, on_progress).value

    produce_once(folder, MarginsTally, produce)
    verify(folder, read_manifest(folder, MarginsTally))
    lines = (folder / _LINES).read_text(encoding="utf-8").split("\n")
    margins = [from_json(AnswerMargin, json.loads(line)) for line in lines if line]
    return {margin.item_id: margin for margin in margins}
