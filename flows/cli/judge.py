"""`quantgate judge`: two runs, paired and judged on their transcripts alone.

Transcripts (`flows.cli.transcripts`) hold no grades: they are made anew, with the graders and the decisions
about answers that the suite has by now.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tokenizers import Tokenizer

from quantgate.flows.build.plan_files import plan_files, read_plan
from quantgate.flows.cli.judge_logs import graded_by, items_of, judge_logs
from quantgate.flows.cli.logs import read_logs
from quantgate.flows.cli.transcripts import Transcript, is_transcript, read_transcript
from quantgate.flows.cli.views.printing import print_json
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import table_reader
from quantgate.pipelines.audit.behaviour import audit_behaviour
from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.values import Digest, JsonObject
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.domain.verdicts.verdict import Decision, PairOutcome, Verdict
from quantgate.pipelines.evaluation.answer_reading import AnswerReader
from quantgate.pipelines.evaluation.asking import TRANSCRIPT
from quantgate.pipelines.evaluation.graders.table import KnownGrades
from quantgate.pipelines.evaluation.grading import asked, grade_answers
from quantgate.pipelines.evaluation.loops.prompts import loop_items
from quantgate.pipelines.evaluation.observing import ObservationRunner
from quantgate.pipelines.evaluation.sampling import sample_of
from quantgate.pipelines.files.reading import at_home
from quantgate.pipelines.files.records import to_json, write_text
from quantgate.pipelines.files.sealed import is_sealed
from quantgate.pipelines.formats.tokenizers.checkpoint import read_tokenizer
from quantgate.pipelines.gates.judge import judge
from quantgate.pipelines.gates.wording import percent, percent_bound
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.report.verdict_files import verdict_junit, verdict_markdown
from quantgate.pipelines.specs.policies import load_policy
from quantgate.pipelines.suites.load import load_suite

_NAMED = 5
SCHEMA = "quantgate.verdict/1"
EXIT_CODES = {Decision.PASS: 0, Decision.FAIL: 10, Decision.INCONCLUSIVE: 11}


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOptions:
    """The command line of `quantgate judge`."""

    reference: Path
    variant: Path
    policy: Path | None = None
    suite: Path | None = None
    repeat: tuple[Path, ...] = ()
    variant_repeat: tuple[Path, ...] = ()
    agreement: bool = False
    junit: Path | None = None
    markdown: Path | None = None
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedTranscripts:
    """A verdict, what told right from wrong, and how often the reference answered besides once."""

    verdict: Verdict
    graded_by: str
    repeats: int


def judge_command(options: JudgeOptions) -> int:
    """Print the verdict and return its exit code: 0 pass, 10 fail, 11 inconclusive."""
    judged = judge_runs(options, Settings.from_environment())
    if options.junit is not None:
        write_text(at_home(options.junit), verdict_junit(judged.verdict))
    if options.markdown is not None:
        text = verdict_markdown(judged.verdict, judged.graded_by)
        write_text(at_home(options.markdown), text)
    if options.as_json:
        print_json({**verdict_json(judged.verdict), "graded_by": judged.graded_by})
    else:
        print("\n".join(_lines(judged)))
    return EXIT_CODES[judged.verdict.decision]


def judge_runs(options: JudgeOptions, settings: Settings) -> JudgedTranscripts:
    """Judge two runs: transcripts of ours, or logs of other tools (`flows.cli.judge_logs`).

    Raises:
        QuantgateError: as `judge_transcripts` and `judge_logs`.
    """
    paths = (options.reference, *options.repeat, options.variant)
    transcripts = all(map(is_transcript, (*paths, *options.variant_repeat)))
    if options.variant_repeat and not (transcripts and not options.agreement):
        raise InputError(
            "further runs of a variant are read from transcripts alone, and judged by a suite's graders",
            where=str(options.variant_repeat[0]),
            next_step="leave --variant-repeat and the policy's variant_runs out",
        )
    if transcripts and not options.agreement:
        verdict = judge_transcripts(options, settings)
        return JudgedTranscripts(
            verdict=verdict, graded_by="the suite's graders", repeats=len(options.repeat)
        )
    logs = read_logs(paths, options.suite, settings, agreement=options.agreement)
    observing = ObservationRunner(
        store=settings.store, run_worker=run_worker, threads=settings.threads
    )
    verdict = judge_logs(logs, load_policy(options.policy, items_of(logs)), observing)
    return JudgedTranscripts(verdict=verdict, graded_by=graded_by(logs), repeats=logs.repeat_count)


def judge_transcripts(options: JudgeOptions, settings: Settings) -> Verdict:
    """Grade, pair and judge.

    Raises:
        InputError: where a run cannot be read, belongs to another suite, or the two are not comparable.
        ToolchainError, ServiceError, WorkerError: from a grader that has to observe answers first.
    """
    transcripts = [read_transcript(path) for path in (options.reference, *options.repeat)]
    asked = [read_transcript(path) for path in (options.variant, *options.variant_repeat)]
    suite = _suite(options.suite, transcripts[0], settings)
    policy = load_policy(options.policy, suite)
    grades: KnownGrades = {}
    references, (variant, *repeats) = (
        [_graded(each, suite, settings, grades) for each in runs] for runs in (transcripts, asked)
    )
    return judge(
        suite=suite,
        policy=policy,
        audit=AuditReport(findings=audit_behaviour(references[0], variant)),
        reference_runs=references,
        variant_run=variant,
        variant_repeats=repeats,
    )


def verdict_json(verdict: Verdict) -> JsonObject:
    """Return a verdict as JSON values; of the items those that changed. Keys are only ever added."""
    changed = tuple(i for i in verdict.items if i.outcome is not PairOutcome.BOTH_RIGHT)
    values = to_json(replace(verdict, items=changed))
    assert isinstance(values, dict)
    return {"schema": SCHEMA, **values}


def _suite(folder: Path | None, reference: Transcript, settings: Settings) -> Suite:
    """Return the suite of a run; without a folder the one that a build of this store was planned with."""
    digest = reference.record.plan.contract.suite_digest
    if folder is None:
        folder = _suite_of_a_build(digest, settings)
    suite = load_suite(folder, table_reader(settings))
    if suite.digest != digest:
        raise InputError(
            f"the run answers another suite ({digest[:12]}) than {suite.name}@{suite.version} as it is "
            f"in {folder} now ({suite.digest[:12]})",
            where=str(reference.source),
            next_step="name the suite it was made with (--suite), or run it again",
        )
    return suite


def _suite_of_a_build(digest: Digest, settings: Settings) -> Path:
    for path in plan_files(settings.store):
        try:
            suite = read_plan(path).suite
        except InputError:  # of another version, or edited: another build may know the suite
            continue
        if suite.digest == digest:
            return suite.folder
    raise InputError(
        f"a run knows its suite by digest only, and no build of this store has {digest[:12]}",
        where=str(settings.store.root),
        next_step="name its folder: --suite DIR",
    )


def _graded(transcript: Transcript, suite: Suite, settings: Settings, grades: KnownGrades) -> Run:
    plan = transcript.record.plan
    if plan.contract.suite_digest != suite.digest:
        raise InputError(
            f"answers another suite than {suite.name}@{suite.version}",
            where=str(transcript.source),
            next_step="name two runs of one suite",
        )
    _refuse_other_items(transcript, suite)
    observation_runner = ObservationRunner(
        store=settings.store, run_worker=run_worker, threads=settings.threads
    )
    reader = AnswerReader(
        thoughts=suite.thoughts,
        prompts=transcript.prompts,
        tokenizer=_tokenizer(transcript, suite, settings),
    )
    return Run(
        key=plan.key,
        subject=plan.subject,
        subject_digest=plan.subject_digest,
        contract=plan.contract,
        answers=grade_answers(suite, transcript.answers, observation_runner, grades, reader),
        seconds=transcript.record.seconds,
    )


def _tokenizer(transcript: Transcript, suite: Suite, settings: Settings) -> Tokenizer | None:
    """Return the checkpoint's tokenizer, where this store knows the build of a sealed run.

    Some families mark thoughts by special tokens, which stand in no text but in that of exported files.
    """
    source = transcript.source
    if not is_sealed(source.parent if source.name == TRANSCRIPT else source):
        return None
    for path in plan_files(settings.store):
        with contextlib.suppress(InputError, CheckpointError):  # of another version, or gone by now
            plan = read_plan(path)
            named = transcript.record.plan.subject.startswith(f"{plan.checkpoint.name}--")
            if named and plan.suite.digest == suite.digest:
                return read_tokenizer(plan.checkpoint.folder).tokenizer
    return None


def _refuse_other_items(transcript: Transcript, suite: Suite) -> None:
    """Refuse a transcript that has not one answer of every item (of each of its samples) and no others.

    A loop has further answers, one a step.

    Raises:
        InputError: naming the first five that are missing, twice there, or of no item.
    """
    counts = Counter(answer.item_id for answer in transcript.answers)
    every = [name for item in suite.items for name in asked(suite, item)]
    loops = {name for item in loop_items(suite) for name in asked(suite, item)}
    steps = {name for name in counts if sample_of(name) in loops}
    problems = {
        "has no answer of": [name for name in every if name not in counts],
        "has answers of no item of the suite:": sorted(counts.keys() - steps - set(every)),
        "has several answers of": [name for name, count in counts.items() if count > 1],
    }
    for what, names in problems.items():
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            raise InputError(
                f"{what} {', '.join(names[:_NAMED])}{more}",
                where=str(transcript.source),
                next_step="a run that was ended early, or a file that was cut, cannot be judged",
            )


def _lines(judged: JudgedTranscripts) -> Iterator[str]:
    verdict = judged.verdict
    yield f"{verdict.subject}: {verdict.decision.value}"
    yield from (f"  {reason}" for reason in verdict.reasons)
    whole = verdict.whole
    scopes = (whole, *verdict.slices) if whole else verdict.slices
    rows = [("slice", "items", "reference", "variant", "broke", "fixed", "bound", "decision")]
    for scope in scopes:
        counted = scope.statistics
        rows.append(
            (
                scope.name,
                str(counted.items),
                percent(counted.reference_accuracy),
                percent(counted.variant_accuracy),
                f"{counted.broke}/{counted.reliable}",
                str(counted.fixed),
                percent_bound(counted.break_rate_bound),
                scope.decision.value,
            )
        )
    yield from _table(rows)
    yield "judged on transcripts alone: the variant's files were not audited"
    yield f"graded by {judged.graded_by}"
    if not judged.repeats:
        yield "the reference answered once (--repeat adds runs): none of its items is known as unstable"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells, decision in rows:
        padded = (cell.rjust(width) for cell, width in zip(cells, widths[1:-1], strict=True))
        yield f"{name.ljust(widths[0])}  {'  '.join(padded)}  {decision}"
