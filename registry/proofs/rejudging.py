"""Judging once more, on transcripts alone: the same code over the same answers gives the same verdict.

Nothing is asked, run or loaded: what graders had observed lies in the bundle, sealed by what was observed.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tokenizers import Tokenizer

from quantgate.pipelines.audit.behaviour import audit_behaviour
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.values import Digest, JsonValue
from quantgate.pipelines.evaluation.answer_reading import AnswerReader
from quantgate.pipelines.evaluation.asking import PROMPTS, TRANSCRIPT, read_answers
from quantgate.pipelines.evaluation.graders.table import KnownGrades
from quantgate.pipelines.evaluation.grading import grade_answers
from quantgate.pipelines.evaluation.observing import ObservationRunner
from quantgate.pipelines.evaluation.runs import RunRecord
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import read_manifest, verify
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.gates.family import within_family
from quantgate.pipelines.gates.judge import judge
from quantgate.pipelines.process.calls import RunWorker
from quantgate.registry.evidence import Evidence, JudgedTranscript
from quantgate.registry.proofs.archive import SEND_AGAIN
from quantgate.registry.proofs.bundle import (
    TOKENIZER,
    BundleRecord,
    reference_run,
    variant_run,
)

_SHOWN_CHARACTERS = 80


def judging_code() -> Digest:
    """Return the digest of the code that a bundle is judged with."""
    return source_digest("quantgate.registry.proofs.rejudging")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What transcripts come to: the audit's findings on the answers, and the evidence with its verdict."""

    evidence: Evidence
    items: int
    runs: int


def rejudged(
    folder: Path, evidence: Evidence, record: BundleRecord, run_worker: RunWorker
) -> Judged:
    """Return the evidence of an unpacked bundle as its transcripts judge it.

    `run_worker` observes what graders need observed and is not there.

    Raises:
        InputError: a run was altered, is not the one that was judged, or runs are not comparable.
        QuantgateError: from `run_worker`.
    """
    suite = evidence.suite
    observing = ObservationRunner(store=Store(root=folder), run_worker=run_worker)
    folders = [reference_run(folder, number) for number in range(1, record.references + 1)]
    grades: KnownGrades = {}
    asked = [variant_run(folder, number) for number in range(1, record.variant_runs + 1)]
    references, (run, *repeats) = (
        tuple(_run(path, evidence, observing, grades) for path in paths)
        for paths in (folders, asked)
    )
    _require_same_runs(evidence, references, (run, *repeats))
    behaviour = audit_behaviour(references[0], run)
    before = evidence.audit.findings[: len(evidence.audit.findings) - len(behaviour)]
    audit = replace(evidence.audit, findings=(*before, *behaviour))
    verdict = judge(
        suite=suite,
        policy=evidence.verdict.policy,
        audit=audit,
        reference_runs=references,
        variant_run=run,
        variant_repeats=repeats,
    )
    if verdict.policy.family_wise != "none":
        verdict = within_family(verdict, record.family)
    judged = replace(
        evidence,
        audit=audit,
        verdict=verdict,
        references=tuple(_transcript(path, folder) for path in folders),
        transcript=_transcript(asked[0], folder),
        transcript_repeats=tuple(_transcript(path, folder) for path in asked[1:]),
    )
    return Judged(
        evidence=judged, items=len(suite.items), runs=len(references) + record.variant_runs
    )


def differences(recorded: Evidence, judged: Evidence) -> tuple[str, ...]:
    """Return in what two pieces of evidence differ, to the last digit: place, recorded and judged value."""
    return tuple(_unequal("", to_json(recorded), to_json(judged)))


def _run(
    folder: Path, evidence: Evidence, observing: ObservationRunner, grades: KnownGrades
) -> Run:
    manifest = read_manifest(folder, RunRecord)
    verify(folder, manifest)
    plan = manifest.record.plan
    answers = read_answers(folder / TRANSCRIPT)
    reader = AnswerReader(
        thoughts=evidence.suite.thoughts,
        prompts=_prompts(folder / PROMPTS),
        tokenizer=_tokenizer(folder.parents[1] / TOKENIZER),
    )
    return Run(
        key=plan.key,
        subject=plan.subject,
        subject_digest=plan.subject_digest,
        contract=plan.contract,
        answers=grade_answers(evidence.suite, answers, observing, grades, reader),
        seconds=manifest.record.seconds,
    )


def _transcript(path: Path, folder: Path) -> JudgedTranscript:
    manifest = read_manifest(path, RunRecord)
    return JudgedTranscript(
        key=manifest.record.plan.key,
        folder=path.relative_to(folder),
        digest=manifest.files_digest,
    )


def _prompts(path: Path) -> dict[str, str]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    return {row["item_id"]: row.get("text", "") for row in rows}


def _tokenizer(path: Path) -> Tokenizer | None:
    return Tokenizer.from_file(str(path)) if path.is_file() else None


def _require_same_runs(evidence: Evidence, references: Sequence[Run], runs: Sequence[Run]) -> None:
    """The runs are those that the verdict names, and answered by what the evidence is about."""
    verdict, base = evidence.verdict, evidence.checkpoint.digests.combined
    checks = (
        (
            "the variant's run is not the one that was judged",
            [run.key for run in runs] == [verdict.run_key, *verdict.repeat_keys],
        ),
        (
            "the base's run is not the one that was judged",
            references[0].key == verdict.reference_key,
        ),
        (
            "the variant's run was answered by other files",
            all(run.subject_digest == evidence.variant.files_digest for run in runs),
        ),
        (
            "a run of the base was answered by another base",
            all(each.subject_digest == base for each in references),
        ),
        ("a run of the base is in it twice", len({r.key for r in references}) == len(references)),
        (
            "it has not as many runs of the base as its policy asks for",
            len(references) == verdict.policy.reference_runs,
        ),
    )
    for problem, holds in checks:
        if not holds:
            raise InputError(
                problem,
                where=evidence.variant.identifier,
                next_step=SEND_AGAIN,
            )


def _unequal(place: str, recorded: JsonValue, judged: JsonValue) -> Iterator[str]:
    if isinstance(recorded, dict) and isinstance(judged, dict):
        for name in sorted({*recorded, *judged}):
            inside = f"{place}.{name}" if place else name
            yield from _unequal(inside, recorded.get(name), judged.get(name))
    elif isinstance(recorded, list) and isinstance(judged, list) and len(recorded) == len(judged):
        for number, (first, second) in enumerate(zip(recorded, judged, strict=True)):
            yield from _unequal(f"{place}[{number}]", first, second)
    elif recorded != judged or type(recorded) is not type(judged):
        yield f"{place}: {_short(recorded)} recorded, {_short(judged)} from the transcripts"


def _short(value: JsonValue) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
