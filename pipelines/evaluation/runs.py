"""One run of a suite: ask a runtime, keep the raw answers, grade them on reading."""

import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Answer, Run, RunContract, RuntimeIdentity, Schedule
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.engines.prompt_lengths import PromptSet, longest
from quantgate.pipelines.engines.requests import AnswerRequest, Loadable
from quantgate.pipelines.engines.runtime import Runtime, kept
from quantgate.pipelines.evaluation.answer_reading import AnswerReader
from quantgate.pipelines.evaluation.asking import PROMPTS, TRANSCRIPT, UnfinishedRun, read_answers
from quantgate.pipelines.evaluation.graders.table import KnownGrades
from quantgate.pipelines.evaluation.grading import asked, grade_answers
from quantgate.pipelines.evaluation.loops.waves import Loops
from quantgate.pipelines.evaluation.observing import ObservationRunner
from quantgate.pipelines.evaluation.order import NO_EARLY_END, EarlyEnd, portions
from quantgate.pipelines.evaluation.prompts import SuitePrompts
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import (
    MANIFEST,
    is_sealed,
    produce_once,
    read_manifest,
    verify,
)
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress

_ANY_SUITE = digest_of("any suite that asks the same")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """A run that is wanted: who answers, under which contract. Its key is its content identity.

    `source_digest` covers the runtime's own worker code, which may change tokens like a schedule may.
    `ended_by` is the identity of what may end the run before all items are asked, None where nothing may.
    """

    subject: str
    subject_digest: Digest
    contract: RunContract
    source_digest: Digest
    ended_by: Digest | None = None

    @property
    def key(self) -> Digest:
        """Identity of the run."""
        parts = [self.subject, self.subject_digest, to_json(self.contract), self.source_digest]
        return digest_of([*parts, self.ended_by] if self.ended_by else parts)

    @property
    def answers_key(self) -> Digest:
        """Identity of the raw answers: what is expected of them, and how they are graded, is no part."""
        contract = to_json(replace(self.contract, suite_digest=_ANY_SUITE))
        return digest_of([self.subject, self.subject_digest, contract, self.source_digest])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What stands in a sealed run's manifest beside its transcript; `seconds`, `resumed`: see `Run`."""

    plan: RunPlan
    seconds: float
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRuns:
    """What every run of one build shares: the suite, its prompts, where runs are kept and graded.

    `reader` knows the checkpoint's tokens and the prompts' ends when it tells thoughts from answers.
    `loops` is how conversations go on; None where the suite has none.
    """

    suite: Suite
    prompts: SuitePrompts
    stop_token_ids: tuple[int, ...]
    observation_runner: ObservationRunner
    reader: AnswerReader | None = None
    loops: Loops | None = None
    known_grades: KnownGrades = field(default_factory=dict, compare=False, repr=False)

    @property
    def store(self) -> Store:
        """Where runs are kept."""
        return self.observation_runner.store

    @property
    def longest_sequence_tokens(self) -> int:
        """The longest prompt with its answer, and the longest a conversation may get."""
        single = longest(self.prompts.prompts, self.suite.decode.max_tokens)
        return max(single, self.loops.prompts.longest_tokens) if self.loops else single

    @property
    def asked(self) -> tuple[PromptSet, ...]:
        """What is asked in one go: the prompts, and conversations, each as long as it may get."""
        single = PromptSet(prompts=self.prompts.prompts, max_tokens=self.suite.decode.max_tokens)
        return (single, self.loops.prompts.at_longest) if self.loops else (single,)

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

        A run that was ended early holds the items asked until then.

        Raises:
            InputError: where it was altered since it was sealed.
            ToolchainError, ServiceError, WorkerError: from a grader's worker.
        """
        folder = self.folder(plan)
        manifest = read_manifest(folder, RunRecord)
        verify(folder, manifest)
        answers = read_answers(folder / TRANSCRIPT)
        run = self.graded(plan, answers, seconds=manifest.record.seconds)
        return replace(run, resumed=manifest.record.resumed)

    def graded(self, plan: RunPlan, answers: Sequence[Answer], *, seconds: float) -> Run:
        """Return the run of these raw answers; where it may end early, of the items answered in full.

        Raises:
            ToolchainError, ServiceError, WorkerError: from a grader's worker.
        """
        suite = self.suite
        if plan.ended_by is not None:
            answered = {answer.item_id for answer in answers}
            suite = replace(
                suite,
                items=tuple(
                    item for item in suite.items if answered.issuperset(asked(suite, item))
                ),
            )
        return Run(
            key=plan.key,
            subject=plan.subject,
            subject_digest=plan.subject_digest,
            contract=plan.contract,
            answers=grade_answers(
                suite, answers, self.observation_runner, self.known_grades, self.reader
            ),
            seconds=seconds,
        )


def run_suite(
    suite_runs: SuiteRuns,
    plan: RunPlan,
    *,
    runtime: Runtime,
    loadable: Loadable,
    on_progress: OnProgress,
    early: EarlyEnd = NO_EARLY_END,
) -> Run:
    """Return the graded run, asking only the items that no earlier attempt has answered.

    Where a suite of other expectations or graders asked the very same, its answers are taken: nothing starts.
    Between portions (`Schedule.portions`) `early.ended` sees what is answered so far, and may end the run.

    Raises:
        WorkerError, ToolchainError: from the runtime; answers given so far are kept for the next try.
    """
    if _is_taken_over(suite_runs, plan):
        return suite_runs.read(plan)
    unfinished = suite_runs.store.run_in_progress(plan.subject, plan.key)

    def produce(staging: Path) -> RunRecord:
        started = time.monotonic()
        resumed = any(unfinished.glob(f"*{TRANSCRIPT}"))
        unfinished.mkdir(parents=True, exist_ok=True)
        ordered = suite_runs.prompts.in_order(plan.contract.schedule.order_seed)
        run = _unfinished_run(suite_runs, plan, runtime, loadable, on_progress)
        pieces = portions(ordered, plan.contract.schedule.portions, early.first)
        for number, piece in enumerate(pieces, start=1):
            run.ask(number - 1, piece)
            seconds = time.monotonic() - started
            if number < len(pieces) and early.ended(
                suite_runs.graded(plan, tuple(run.answered.values()), seconds=seconds)
            ):
                break
        run.write(staging, suite_runs.prompts.prompts)
        return RunRecord(plan=plan, seconds=time.monotonic() - started, resumed=resumed)

    with kept(runtime, loadable):  # one server for all portions
        produce_once(suite_runs.folder(plan), RunRecord, produce)
    shutil.rmtree(unfinished, ignore_errors=True)  # who waited for the same run may do so too
    return suite_runs.read(plan)


def _is_taken_over(suite_runs: SuiteRuns, plan: RunPlan) -> bool:
    """Seal this run of another's answers, where one was asked the same under the same contract.

    Loops are asked anew: what their tools say belongs to the suite. So are runs that may end early.
    """
    if suite_runs.loops is not None or plan.ended_by is not None or suite_runs.finished(plan):
        return False
    for manifest in (suite_runs.store.root / "runs").glob(f"{plan.subject}--*/{MANIFEST}"):
        earlier, record = manifest.parent, _record(manifest.parent)
        if record is None or record.plan.ended_by or record.plan.answers_key != plan.answers_key:
            continue
        with suppress(InputError, OSError):  # damaged, or removed meanwhile: another one may do
            produce_once(suite_runs.folder(plan), RunRecord, partial(_take_over, earlier, plan))
            return True
    return False


def _take_over(earlier: Path, plan: RunPlan, staging: Path) -> RunRecord:
    manifest = read_manifest(earlier, RunRecord)
    verify(earlier, manifest)
    for name in (TRANSCRIPT, PROMPTS):
        shutil.copyfile(earlier / name, staging / name)
    return replace(manifest.record, plan=plan)


def _unfinished_run(
    suite_runs: SuiteRuns,
    plan: RunPlan,
    runtime: Runtime,
    loadable: Loadable,
    on_progress: OnProgress,
) -> UnfinishedRun:
    folder = suite_runs.store.run_in_progress(plan.subject, plan.key)
    request = AnswerRequest(
        loadable=loadable,
        prompts=folder / PROMPTS,
        answers=folder / TRANSCRIPT,
        decode=plan.contract.decode,
        stop_token_ids=suite_runs.stop_token_ids,
        schedule=plan.contract.schedule,
        log=suite_runs.store.logs / f"{folder.name}.log",
        context_tokens=suite_runs.longest_sequence_tokens,
    )
    return UnfinishedRun(
        runtime=runtime,
        request=request,
        folder=folder,
        run_worker=suite_runs.observation_runner.run_worker,
        loops=suite_runs.loops,
        on_progress=on_progress,
        subject=plan.subject,
        total=len(suite_runs.prompts.prompts),
    )


def seconds_so_far(store: Store, suite_digest: Digest) -> tuple[float, ...]:
    """Return how long each sealed run of a suite took; runs that cannot be read tell nothing."""
    folders = [path.parent for path in (store.root / "runs").glob(f"*/{MANIFEST}")]
    records = [record for folder in folders if (record := _record(folder)) is not None]
    return tuple(r.seconds for r in records if r.plan.contract.suite_digest == suite_digest)


def _record(folder: Path) -> RunRecord | None:
    try:
        return read_manifest(folder, RunRecord).record
    except InputError:  # of another version, or damaged: whoever needs this very run says so
        return None
