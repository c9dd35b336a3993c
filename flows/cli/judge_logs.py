"""Logs of other tools, judged as runs are: by their own grades, by a suite's graders, or for agreement.

That both sides were asked alike is checked by their prompts, as far as logs have them; decode settings are
taken on trust.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.pipelines.audit.behaviour import audit_behaviour
from quantgate.pipelines.authoring.agreement import AgreementGrader
from quantgate.pipelines.domain.errors import InputError
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
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Verdict
from quantgate.pipelines.evaluation.grading import grade_answers
from quantgate.pipelines.evaluation.logs.answers import LoggedAnswer, LoggedRun, listed
from quantgate.pipelines.evaluation.observing import ObservationRunner
from quantgate.pipelines.gates.judge import judge

GradeRun = Callable[[Sequence[Answer]], tuple[GradedAnswer, ...]]
"""Grades all answers of a run, in the order of the items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsToJudge:
    """Two logs, and further ones of the reference's model.

    `suite` has the items that they answer, None where only the logs know. `agreement` asks whether the
    variant answers as the reference does, and nothing of right and wrong.
    """

    reference: LoggedRun
    variant: LoggedRun
    repeats: tuple[LoggedRun, ...]
    suite: Suite | None
    agreement: bool

    @property
    def repeat_count(self) -> int:
        """How often the reference answered besides once."""
        return len(self.repeats) + len(self.reference.repeats)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """One answer of each item, and the log that has them."""

    log: LoggedRun
    answers: tuple[LoggedAnswer, ...]


def judge_logs(logs: LogsToJudge, policy: Policy, observing: ObservationRunner) -> Verdict:
    """Pair and judge two logs.

    Raises:
        InputError: they hold other items, were asked or graded otherwise, or nothing says what is right.
        ToolchainError, ServiceError, WorkerError: from a grader that has to observe answers first.
    """
    first = logs.reference
    references = [_Attempt(log=first, answers=each) for each in (first.answers, *first.repeats)]
    references += [_Attempt(log=log, answers=log.answers) for log in logs.repeats]
    of_variant = _Attempt(log=logs.variant, answers=logs.variant.answers)
    suite = items_of(logs)
    for attempt in (*references, of_variant):
        _refuse_others(suite, logs, attempt)
    contract = _contract(suite, first)
    graded = [
        _run(logs, suite, attempt, observing, contract=_repeated(contract, number))
        for number, attempt in enumerate(references)
    ]
    variant = _run(logs, suite, of_variant, observing, contract=contract, model=logs.variant.model)
    return judge(
        suite=suite,
        policy=policy,
        audit=AuditReport(findings=audit_behaviour(graded[0], variant)),
        reference_runs=graded,
        variant_run=variant,
    )


def graded_by(logs: LogsToJudge) -> str:
    """Return what tells right from wrong, in words."""
    if logs.agreement:
        by = "the suite's graders" if logs.suite else "equal words"
        return f"agreement with the reference by {by}: this is no correctness"
    if logs.suite is not None:
        return f"the graders of {logs.suite.name}@{logs.suite.version}"
    return f"{logs.reference.tool}'s own grades: {logs.reference.grader}"


def _run(
    logs: LogsToJudge,
    suite: Suite,
    attempt: _Attempt,
    observing: ObservationRunner,
    *,
    contract: RunContract,
    model: str = "",
) -> Run:
    by_id = {answer.id: answer for answer in attempt.answers}
    ordered = tuple(by_id[item.id] for item in suite.items)
    subject = model or logs.reference.model or "reference"
    key = digest_of([subject, contract.schedule.order_seed, [each.text for each in ordered]])
    return Run(
        key=key,
        subject=subject,
        subject_digest=digest_of(subject),
        contract=contract,
        answers=tuple(_graded(logs, suite, replace(attempt, answers=ordered), observing)),
        seconds=0.0,
    )


def _graded(
    logs: LogsToJudge, suite: Suite, attempt: _Attempt, observing: ObservationRunner
) -> Iterator[GradedAnswer]:
    raw = [_answer(answer) for answer in attempt.answers]
    if logs.agreement:
        said = {answer.id: answer.text for answer in logs.reference.answers}
        grader = AgreementGrader(suite=suite, reference=said)
        yield from (
            grader.grade(item, answer) for item, answer in zip(suite.items, raw, strict=True)
        )
    elif logs.suite is not None:
        yield from grade_answers(suite, raw, observing)
    else:
        yield from (
            GradedAnswer(answer=answer, grade=_own_grade(each, attempt.log, logs.reference))
            for each, answer in zip(attempt.answers, raw, strict=True)
        )


def _own_grade(answer: LoggedAnswer, log: LoggedRun, reference: LoggedRun) -> Grade:
    """What a log itself said of an answer, by a grader that the reference's log spells so."""
    if answer.correct is None:
        raise InputError(
            f"does not say whether the answer of {answer.id} is right",
            where=str(log.source),
            next_step="name a suite with these items (--suite DIR), or ask for --agreement",
        )
    return Grade(
        correct=answer.correct,
        reason=answer.reason or ("right" if answer.correct else "wrong"),
        canonical=answer.text.strip(),
        grader=_graders(reference),
        score=float(answer.correct),
        way=None if answer.correct else "wrong value",
    )


def _answer(answer: LoggedAnswer) -> Answer:
    return Answer(
        item_id=answer.id,
        text=answer.text,
        token_ids=(),
        finish_reason="length" if answer.cut_off else "stop",
        prompt_tokens=0,
    )


def items_of(logs: LogsToJudge) -> Suite:
    """Return the suite; without one the items that the reference's log holds, in the slices that it names."""
    if logs.suite is not None:
        return logs.suite
    run = logs.reference
    names = list(dict.fromkeys(name for answer in run.answers for name in answer.slices))
    names = names if len(names) > 1 else []
    items = tuple(
        Item(
            id=answer.id,
            messages=(Message(role="user", content=answer.asked),),
            expected=answer.expected,
            slices=tuple(name for name in answer.slices if name in names),
        )
        for answer in run.answers
    )
    return Suite(
        name=run.source.stem,
        version=1,
        description=f"the items of a log of {run.tool}",
        folder=Path(),
        digest=digest_of([[item.id, item.messages[0].content] for item in items]),
        grader=GraderSpec(kind="exact", options={"ignore": ["whitespace"]}),
        decode=DecodeSettings(max_tokens=1),
        slices=tuple(
            SliceSpec(name=name, description=f"called {name} in the log") for name in names
        ),
        items=items,
    )


def _contract(suite: Suite, run: LoggedRun) -> RunContract:
    """A contract that says of both sides what is known of both: nothing of engine and settings."""
    return RunContract(
        suite_digest=suite.digest,
        prompts_digest=suite.digest,
        decode=suite.decode,
        runtime=RuntimeIdentity(
            engine=f"as logged by {run.tool}",
            version="unknown",
            device="unknown",
            kv_cache="unknown",
            compute_dtype="unknown",
            kernels="unknown",
        ),
        schedule=Schedule(slots=1, threads=1),
    )


def _repeated(contract: RunContract, number: int) -> RunContract:
    return replace(contract, schedule=replace(contract.schedule, order_seed=number))


def _refuse_others(suite: Suite, logs: LogsToJudge, attempt: _Attempt) -> None:
    """Refuse a log that does not answer the very items, or was asked or graded otherwise.

    Raises:
        InputError: naming the first items.
    """
    ids = {answer.id for answer in attempt.answers}
    every = [item.id for item in suite.items]
    for what, names in (
        ("has no answer of", [name for name in every if name not in ids]),
        ("has answers of no item of the other log or suite:", sorted(ids.difference(every))),
        ("was asked otherwise in", _asked_otherwise(logs.reference, attempt.answers)),
    ):
        if names:
            raise InputError(
                f"cannot be paired: {what} {listed(names)}",
                where=str(attempt.log.source),
                next_step="run both models on the same items and prompts",
            )
    if logs.suite is None and not logs.agreement:
        _refuse_other_graders(logs.reference, attempt.log)


def _refuse_other_graders(reference: LoggedRun, log: LoggedRun) -> None:
    """Refuse a log whose own grades are by another grader; one without grades is refused by its answers.

    The order of several graders' names is that in which a log came to them, and means nothing.
    """
    ours, others = _names(reference), _names(log)
    if (reference.tool == log.tool and ours == others) or not (ours and others):
        return
    raise InputError(
        f"cannot be paired: it was graded by {_graders(log)}, the reference by {_graders(reference)}",
        where=str(log.source),
        next_step="name a suite whose graders judge both (--suite DIR), or ask for --agreement",
    )


def _graders(log: LoggedRun) -> str:
    return f"{log.tool}: {log.grader}"


def _names(log: LoggedRun) -> frozenset[str]:
    return frozenset(name for name in log.grader.split(", ") if name)


def _asked_otherwise(reference: LoggedRun, answers: Sequence[LoggedAnswer]) -> list[str]:
    asked: Mapping[str, str] = {answer.id: answer.asked for answer in reference.answers}
    return [
        answer.id
        for answer in answers
        if answer.asked and asked.get(answer.id) and asked[answer.id] != answer.asked
    ]
