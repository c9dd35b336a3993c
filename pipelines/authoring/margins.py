"""How closely a full-precision model decided along its own greedy answers: measured once for each content."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.authoring.candidates import SuiteCandidate
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.engines.margins import AnswerMargin, MarginsCall, MarginsTally
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.engines.runtime import Runtime
from quantgate.pipelines.files.records import from_json_text, to_json, write_text
from quantgate.pipelines.files.sealed import produce_once, read_manifest, verify
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.tokenizers.folder import special_token_ids
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall

_WORKER = "quantgate.pipelines.engines.llamacpp.workers.margins"
_LINES = "margins.jsonl"
_KEY_LENGTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginsMeasure:
    """What margins are measured with, and where they are kept; answers are the F16 GGUF's."""

    store: Store
    runtime: Runtime
    run_worker: RunWorker
    threads: int

    def of(
        self,
        asked: Sequence[SuiteCandidate],
        checkpoint: Checkpoint,
        max_tokens: int,
        on_progress: OnProgress,
    ) -> dict[str, AnswerMargin]:
        """Return the margin of every candidate's answer by its source.

        Raises:
            CheckpointError, ToolchainError, WorkerError: from converter and worker.
        """
        prompts = [
            to_json(Prompt(item_id=candidate.source, token_ids=candidate.token_ids))
            for candidate in asked
        ]
        key = digest_of([checkpoint.digests.combined, prompts, max_tokens, source_digest(_WORKER)])
        folder = self.store.root / "margins" / f"{checkpoint.name}--{key[:_KEY_LENGTH]}"

        def produce(staging: Path) -> MarginsTally:
            scratch = self.store.checkpoint(checkpoint.digests.combined)
            base = self.runtime.reference(checkpoint, scratch, self.run_worker, on_progress)
            file = staging / "prompts.jsonl"
            write_text(file, "".join(json.dumps(row) + "\n" for row in prompts))
            schedule = self.runtime.schedule(self.threads)
            call = WorkerCall(
                module=_WORKER,
                request=MarginsCall(
                    model=base.path,
                    prompts=file,
                    margins=staging / _LINES,
                    max_tokens=max_tokens,
                    stop_token_ids=special_token_ids(checkpoint.folder).end,
                    slots=schedule.slots,
                    threads=schedule.threads,
                ),
                log=self.store.logs / f"{folder.name}.log",
                threads=schedule.threads,
            )
            return self.run_worker(call, MarginsTally, on_progress).value

        produce_once(folder, MarginsTally, produce)
        verify(folder, read_manifest(folder, MarginsTally))
        lines = (folder / _LINES).read_text(encoding="utf-8").split("\n")
        margins = [from_json_text(AnswerMargin, line) for line in lines if line]
        return {margin.item_id: margin for margin in margins}
