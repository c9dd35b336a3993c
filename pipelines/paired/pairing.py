"""Pairing: one outcome an item, from the reference's answer and the variant's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from quantgate.pipelines.domain.run import GradedAnswer, Run
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.verdicts.verdict import PairedItem, PairOutcome
from quantgate.pipelines.paired.comparable import (
    require_comparable,
    require_repeats,
    require_same_questions,
    require_suite,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFloor:
    """How often the reference disagrees with itself (A/A).

    `repeats` counts the runs besides the primary one; `flips_per_repeat` holds for each of them how
    many items changed correctness against the primary run; `unstable` are the ids of items that did
    so in any repeat, in suite order.
    """

    items: int
    repeats: int
    unstable: tuple[str, ...]
    flips_per_repeat: tuple[int, ...]


def pair(
    *,
    suite: Suite,
    reference_runs: Sequence[Run],
    variant: Run,
    variant_repeats: Sequence[Run] = (),
) -> tuple[PairedItem, ...]:
    """Pair a variant's run, and its repeats, with the reference, item by item in suite order.

    The first reference run is the primary one, with which the variant is paired; the others are A/A
    repeats that differ from it only in `schedule.order_seed`. An item is stable when its correctness
    is the same in all of them. What broke in any run of the variant broke: its answer there is shown.

    Raises:
        InputError: where contracts are not comparable, naming every field that differs.
    """
    require_repeats(reference_runs)
    require_comparable(reference_runs[0], variant)
    once = _paired(suite, reference_runs, variant)
    if not variant_repeats:
        return once
    require_repeats((variant, *variant_repeats), of="the variant")
    answers = zip(*(run.answers for run in (variant, *variant_repeats)), strict=True)
    return tuple(_with_runs(item, runs) for item, runs in zip(once, answers, strict=True))


def first_outcome(item: PairedItem) -> PairOutcome:
    """Return what became of an item in the variant's first run, whatever its others did."""
    first = item.variant_runs[0] if item.variant_runs else item.variant
    return outcome_of(item.reference, first)


def pair_across_runtimes(
    *, suite: Suite, reference_runs: Sequence[Run], other: Run
) -> tuple[PairedItem, ...]:
    """Pair the base in one runtime with the base in another: what the runtime alone changes.

    Raises:
        InputError: where the two did not answer the same questions.
    """
    require_repeats(reference_runs)
    require_same_questions(reference_runs[0], other)
    return _paired(suite, reference_runs, other)


def noise_floor(reference_runs: Sequence[Run]) -> NoiseFloor:
    """Compare the reference's repeats with its primary run.

    Raises:
        InputError: where they are not repeats of one another.
    """
    require_repeats(reference_runs)
    primary, *repeats = reference_runs
    flipped = [_flipped(primary, repeat) for repeat in repeats]
    unstable = frozenset[str]().union(*flipped)
    ids = [graded.answer.item_id for graded in primary.answers]
    return NoiseFloor(
        items=len(ids),
        repeats=len(repeats),
        unstable=tuple(item_id for item_id in ids if item_id in unstable),
        flips_per_repeat=tuple(len(items) for items in flipped),
    )


def _paired(suite: Suite, reference_runs: Sequence[Run], other: Run) -> tuple[PairedItem, ...]:
    primary = reference_runs[0]
    require_suite(primary, suite)
    unstable = frozenset(noise_floor(reference_runs).unstable)
    return tuple(
        PairedItem(
            item_id=item.id,
            slices=item.slices,
            outcome=outcome_of(reference, variant),
            stable=item.id not in unstable,
            reference=reference,
            variant=variant,
            critical=item.critical,
            group=item.group,
        )
        for item, reference, variant in zip(
            suite.items, primary.answers, other.answers, strict=True
        )
    )


def _with_runs(item: PairedItem, runs: tuple[GradedAnswer, ...]) -> PairedItem:
    outcomes = [outcome_of(item.reference, graded) for graded in runs]
    shown = outcomes.index(PairOutcome.BROKE) if PairOutcome.BROKE in outcomes else 0
    return replace(item, variant=runs[shown], outcome=outcomes[shown], variant_runs=runs)


def outcome_of(reference: GradedAnswer, variant: GradedAnswer) -> PairOutcome:
    """Return what became of an item between two answers to it."""
    match reference.grade.correct, variant.grade.correct:
        case True, True:
            return PairOutcome.BOTH_RIGHT
        case True, False:
            return PairOutcome.BROKE
        case False, True:
            return PairOutcome.FIXED
    if reference.grade.canonical == variant.grade.canonical:
        return PairOutcome.BOTH_WRONG_SAME
    return PairOutcome.BOTH_WRONG_DIFFERENT


def _flipped(primary: Run, repeat: Run) -> frozenset[str]:
    return frozenset(
        first.answer.item_id
        for first, second in zip(primary.answers, repeat.answers, strict=True)
        if first.grade.correct is not second.grade.correct
    )
