"""Whether runs may be paired at all: same questions, same conditions, same graders."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.suites.suite import Suite

_NAMED_AT_MOST = 3
_ASKED = {"the reference": "the base"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDifference:
    """One field in which two runs differ."""

    field: str
    reference: str
    other: str

    def __str__(self) -> str:
        return f"{self.field} ({self.reference} in the reference, {self.other} in the other)"


def question_differences(reference: Run, other: Run) -> tuple[RunDifference, ...]:
    """Return in what the questions differ: suite, prompts, decode settings, items, graders."""
    first, second = reference.contract, other.contract
    compared = (
        ("suite digest", first.suite_digest[:12], second.suite_digest[:12]),
        ("prompts digest", first.prompts_digest[:12], second.prompts_digest[:12]),
        *(
            (
                f"decode {field.name}",
                getattr(first.decode, field.name),
                getattr(second.decode, field.name),
            )
            for field in fields(first.decode)
        ),
        ("graders", _graders(reference), _graders(other)),
    )
    return (*_unequal(compared), *_item_differences(reference, other))


def condition_differences(reference: Run, other: Run) -> tuple[RunDifference, ...]:
    """Return in what the conditions differ.

    What belongs to a variant may differ: its kernels, and how it holds keys and values. So may the order
    of items, whose influence the A/A repeats measure.
    """
    first, second = reference.contract.runtime, other.contract.runtime
    laid, out = reference.contract.schedule, other.contract.schedule
    return _unequal(
        (
            ("runtime engine", first.engine, second.engine),
            ("runtime version", first.version, second.version),
            ("runtime device", first.device, second.device),
            ("runtime compute_dtype", first.compute_dtype, second.compute_dtype),
            ("schedule slots", laid.slots, out.slots),
            ("schedule threads", laid.threads, out.threads),
        )
    )


def require_comparable(reference: Run, other: Run) -> None:
    """Refuse to pair runs whose contracts differ.

    Raises:
        InputError: naming every field that differs.
    """
    _refuse(
        (*question_differences(reference, other), *condition_differences(reference, other)),
        reference=reference,
        other=other,
    )


def require_same_questions(reference: Run, other: Run) -> None:
    """Refuse to compare runs that did not answer the same questions; the runtime may differ.

    Raises:
        InputError: naming every field that differs.
    """
    _refuse(question_differences(reference, other), reference=reference, other=other)


def require_repeats(runs: Sequence[Run], *, of: str = "the reference") -> None:
    """Refuse runs that are not repeats of the first one, or none at all; `of` says whose they are.

    Raises:
        InputError: where there is no run, one differs in more than its order, or one comes twice.
    """
    if not runs:
        raise InputError(
            f"there is no run of {of}", next_step=f"run the suite on {_ASKED.get(of, of)} first"
        )
    primary = runs[0]
    again = f"run the suite on {_ASKED.get(of, of)} again"
    for position, repeat in enumerate(runs[1:], start=1):
        require_comparable(primary, repeat)
        if repeat.contract.runtime != primary.contract.runtime:
            raise InputError(
                f"repeat {position} of {of} was computed another way "
                f"({primary.contract.runtime.kv_cache} cache and {primary.contract.runtime.kernels} "
                f"kernels in the first, {repeat.contract.runtime.kv_cache} and "
                f"{repeat.contract.runtime.kernels} in this one)",
                where=repeat.subject,
                next_step=again,
            )
        if repeat.subject_digest != primary.subject_digest:
            raise InputError(
                f"repeat {position} of {of} was answered by other weights",
                where=repeat.subject,
                next_step=again,
            )
    if len({run.key for run in runs}) != len(runs):
        # The same transcript twice agrees with itself perfectly: a noise floor of nothing.
        raise InputError(
            f"a run of {of} is listed twice", where=primary.subject, next_step="name every run once"
        )


def require_suite(run: Run, suite: Suite) -> None:
    """Refuse a run that does not answer every item of `suite`, in its order.

    Raises:
        InputError: where the digest or the items differ.
    """
    if run.contract.suite_digest != suite.digest or _item_ids(run) != [i.id for i in suite.items]:
        raise InputError(
            f"the run does not answer suite {suite.name}@{suite.version} as it is now",
            where=run.subject,
            next_step="run the suite again",
        )


def _refuse(differences: Sequence[RunDifference], *, reference: Run, other: Run) -> None:
    if differences:
        listed = "; ".join(str(difference) for difference in differences)
        raise InputError(
            f"not comparable with {reference.subject}: they differ in {listed}",
            where=other.subject,
            next_step="run both under the same contract",
        )


def _unequal(fields: Iterable[tuple[str, object, object]]) -> tuple[RunDifference, ...]:
    return tuple(
        RunDifference(field=field, reference=str(first), other=str(second))
        for field, first, second in fields
        if first != second
    )


def _graders(run: Run) -> str:
    return ", ".join(sorted({graded.grade.grader for graded in run.answers}))


def _item_ids(run: Run) -> list[str]:
    return [graded.answer.item_id for graded in run.answers]


def _item_differences(reference: Run, other: Run) -> tuple[RunDifference, ...]:
    first, second = _item_ids(reference), _item_ids(other)
    if first == second:
        return ()
    only_first = [item for item in first if item not in set(second)]
    only_second = [item for item in second if item not in set(first)]
    if not only_first and not only_second:
        return (
            RunDifference(field="order or repetition of items", reference="one", other="another"),
        )
    return (
        RunDifference(
            field="item ids",
            reference=_only(only_first),
            other=_only(only_second),
        ),
    )


def _only(items: list[str]) -> str:
    if not items:
        return "none missing"
    more = f" and {len(items) - _NAMED_AT_MOST} more" if len(items) > _NAMED_AT_MOST else ""
    return f"only {', '.join(items[:_NAMED_AT_MOST])}{more}"
