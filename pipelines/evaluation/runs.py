"""One run of a suite: ask a runtime, keep the raw answers, grade them on reading."""

import json
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipelines.domain.errors import WorkerError
from pipelines.domain.run import Answer, Run, RunContract, RuntimeIdentity, Schedule
from pipelines.domain.suite import Suite
from pipelines.domain.values import Digest, digest_of
from pipelines.evaluation.grading import grade_answers
from pipelines.evaluation.observing import Observatory
from pipelines.evaluation.prompts import SuitePrompts
from pipelines.files.records import from_json, to_json, write_text
from pipelines.files.sealed import MANIFEST, is_sealed, produce_once, read_manifest, verify
from pipelines.files.store import Store
from pipelines.process.calls import OnProgress, RunWorker
from pipelines.runtimes.protocol import AnswerRequest, Loadable, Runtime

TRANSCRIPT = "transcript.jsonl"
PROMPTS = "prompts.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """A run that is wanted: who answers, under which contract. Its key is its content identity.

    `source_digest` covers the runtime's own worker code, which may change tokens like a schedule may.
    """

    subject: str
    subject_digest: Digest
    contract: RunContract
    source_digest: Digest

    @property
    def key(self) -> Digest:
        """Identity of the run."""
        return digest_of(
            [self.subject, self.subject_digest, to_json(self.contract), self.source_digest]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What stands in a sealed run's manifest beside its transcript."""

    plan: RunPlan
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What every run of one build shares: the suite, its prompts, where runs are kept and graded."""

    suite: Suite
    prompts: SuitePrompts
    stop_token_ids: tuple[int, ...]
    observatory: Observatory

    @property
    def store(self) -> Store:
        """Where runs are kept."""
        return self.observatory.store

    def plan(
        self,
        *,
        runtime: Runtime,
        identity: RuntimeIdentity,
        subject: str,
        subject_digest: Digest,
        schedule: Schedule,
    ) -> RunPlan:
        """Return the plan of one run; `identity` is what the runtime says will answer."""
        contract = RunContract(
            suite_digest=self.suite.digest,
            prompts_digest=self.prompts.digest,
            decode=self.suite.decode,
            runtime=identity,
            schedule=schedule,
        )
        return RunPlan(
            subject=subject,
            subject_digest=subject_digest,
            contract=contract,
            source_digest=runtime.source_digest(),
        )

    def folder(self, plan: RunPlan) -> Path:
        """Return where this run is sealed."""
        return self.store.run(plan.subject, plan.key)

    def finished(self, plan: RunPlan) -> bool:
        """Whether this run is sealed."""
        return is_sealed(self.folder(plan))

    def read(self, plan: RunPlan) -> Run:
        """Read a sealed run and grade it; what graders need observed is observed once.

        Raises:
            InputError: where it was altered since it was sealed.
            ToolchainError, ServiceError, WorkerError: from a grader's worker.
        """
        folder = self.folder(plan)
        manifest = read_manifest(folder, RunRecord)
        verify(folder, manifest)
        graded = grade_answers(self.suite, _read_answers(folder / TRANSCRIPT), self.observatory)
        return Run(
            key=plan.key,
            subject=plan.subject,
            subject_digest=plan.subject_digest,
            contract=plan.contract,
            answers=graded,
            seconds=manifest.record.seconds,
        )


def run_suite(
    examination: Examination,
    plan: RunPlan,
    *,
    runtime: Runtime,
    loadable: Loadable,
    run_worker: RunWorker,
    on_progress: OnProgress,
) -> Run:
    """Return the graded run, asking only the items that no earlier attempt has answered.

    Raises:
        WorkerError, ToolchainError: from the runtime; answers given so far are kept for the next try.
    """
    unfinished = examination.store.run_in_progress(plan.subject, plan.key)

    def produce(staging: Path) -> RunRecord:
        started = time.monotonic()
        unfinished.mkdir(parents=True, exist_ok=True)
        answers = unfinished / TRANSCRIPT
        ordered = examination.prompts.in_order(plan.contract.schedule.order_seed)
        _write_lines(unfinished / PROMPTS, ordered)
        request = AnswerRequest(
            loadable=loadable,
            prompts=unfinished / PROMPTS,
            answers=answers,
            decode=plan.contract.decode,
            stop_token_ids=examination.stop_token_ids,
            schedule=plan.contract.schedule,
            log=examination.store.logs / f"{unfinished.name}.log",
        )
        runtime.answer(request, run_worker, on_progress)
        answered = {answer.item_id: answer for answer in _read_answers(answers)}
        asked = [prompt.item_id for prompt in examination.prompts.prompts]
        missing = [item_id for item_id in asked if item_id not in answered]
        if missing:
            raise WorkerError(
                f"{len(missing)} prompts were left unanswered, the first is '{missing[0]}'",
                where=plan.subject,
                log=request.log,
            )
        _write_lines(staging / TRANSCRIPT, [answered[item_id] for item_id in asked])
        _write_lines(staging / PROMPTS, examination.prompts.prompts)
        return RunRecord(plan=plan, seconds=time.monotonic() - started)

    produce_once(examination.folder(plan), RunRecord, produce)
    shutil.rmtree(unfinished, ignore_errors=True)  # who waited for the same run may do so too
    return examination.read(plan)


def seconds_so_far(store: Store, suite_digest: Digest) -> tuple[float, ...]:
    """Return how long each sealed run of a suite took."""
    records = [
        read_manifest(path.parent, RunRecord).record
        for path in (store.root / "runs").glob(f"*/{MANIFEST}")
    ]
    return tuple(r.seconds for r in records if r.plan.contract.suite_digest == suite_digest)


def _read_answers(path: Path) -> tuple[Answer, ...]:
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    return tuple(from_json(Answer, json.loads(line)) for line in lines if line)


def _write_lines(path: Path, records: Iterable[object]) -> None:
    lines = [json.dumps(to_json(record), ensure_ascii=False) for record in records]
    write_text(path, "\n".join(lines) + "\n")
