"""Small made-up suites and runs for tests of pairing, gates and reports."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from quantgate.pipelines.domain.run import (
    Answer,
    Grade,
    GradedAnswer,
    Run,
    RunContract,
    RuntimeIdentity,
    Schedule,
)
from quantgate.pipelines.domain.suites.suite import (
    DecodeSettings,
    GraderSpec,
    Item,
    Message,
    SliceSpec,
    Suite,
)
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.domain.verdicts.audit import AuditFinding, AuditReport
from quantgate.pipelines.domain.verdicts.verdict import PairedItem
from quantgate.pipelines.paired.pairing import pair

DECODE = DecodeSettings(max_tokens=64)
PASSED_AUDIT = AuditReport(
    findings=(AuditFinding(check="loads", passed=True, promised="loads", found="loads"),)
)
MISSED_AUDIT = AuditReport(
    findings=(
        AuditFinding(check="loads", passed=True, promised="loads", found="loads"),
        AuditFinding(check="quantized layers", passed=False, promised="28 of 28", found="0 of 28"),
    )
)


def suite_of(slices: Sequence[tuple[str, ...]], *, critical: tuple[str, ...] = ()) -> Suite:
    """One item for every entry, in the slices it names."""
    names = sorted({name for entry in slices for name in entry})
    return Suite(
        name="support-desk",
        version=1,
        description="made up",
        folder=Path("suite"),
        digest=digest_of("suite"),
        grader=GraderSpec(kind="exact"),
        decode=DECODE,
        slices=tuple(
            SliceSpec(name=name, description=name, critical=name in critical) for name in names
        ),
        items=tuple(
            Item(
                id=f"i-{index}",
                messages=(Message(role="user", content=f"question {index}"),),
                expected="yes",
                slices=entry,
            )
            for index, entry in enumerate(slices)
        ),
    )


def run_of(
    suite: Suite,
    texts: Sequence[str],
    *,
    subject: str = "base",
    order_seed: int = 0,
    runtime: RuntimeIdentity | None = None,
) -> Run:
    """A run whose answers are right where the text is `yes`."""
    identity = runtime or RuntimeIdentity(
        engine="llamacpp",
        version="0.3.36",
        device="cpu",
        kv_cache="f16",
        compute_dtype="f32",
        kernels="native",
    )
    return Run(
        key=digest_of([subject, order_seed, list(texts), identity.engine]),
        subject=subject,
        subject_digest=Digest(digest_of(subject)),
        contract=RunContract(
            suite_digest=suite.digest,
            prompts_digest=digest_of("prompts"),
            decode=suite.decode,
            runtime=identity,
            schedule=Schedule(slots=8, threads=2, order_seed=order_seed),
        ),
        answers=tuple(graded(item.id, text) for item, text in zip(suite.items, texts, strict=True)),
        seconds=1.0,
    )


def repeat_of(run: Run, *, seed: int, wrong: Sequence[int] = ()) -> Run:
    """An A/A repeat of `run` that gets the items at `wrong` wrong."""
    answers = tuple(
        graded(one.answer.item_id, "hm") if index in wrong else one
        for index, one in enumerate(run.answers)
    )
    schedule = replace(run.contract.schedule, order_seed=seed)
    return replace(
        run,
        key=f"{run.key}-{seed}",
        answers=answers,
        contract=replace(run.contract, schedule=schedule),
    )


def paired_items(
    *, both_right: int = 0, broke: int = 0, fixed: int = 0, same: int = 0, different: int = 0
) -> tuple[PairedItem, ...]:
    """Stable paired items in one slice `s` with these outcomes."""
    reference = ["yes"] * (both_right + broke) + ["no"] * (fixed + same + different)
    variant = (
        ["yes"] * both_right + ["no"] * broke + ["yes"] * fixed + ["no"] * same + ["hm"] * different
    )
    suite = suite_of([("s",)] * len(reference))
    return pair(
        suite=suite,
        reference_runs=[run_of(suite, reference)],
        variant=run_of(suite, variant, subject="demo--Q2_K"),
    )


def graded(item_id: str, text: str) -> GradedAnswer:
    """An answer with this text, right where it is `yes`."""
    return GradedAnswer(
        answer=Answer(
            item_id=item_id, text=text, token_ids=(1,), finish_reason="stop", prompt_tokens=4
        ),
        grade=Grade(
            correct=text == "yes",
            reason="made up",
            canonical=text,
            grader="exact@1",
            score=float(text == "yes"),
        ),
    )
