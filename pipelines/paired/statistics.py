"""Counts and inference for one slice, or for the whole suite."""

from collections import Counter
from collections.abc import Sequence
from math import fsum

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Grade, GradedAnswer
from quantgate.pipelines.domain.verdicts.verdict import (
    Clusters,
    Interval,
    PairedItem,
    PairedStatistics,
    PairOutcome,
    ScoreStatistics,
    WayCount,
)
from quantgate.pipelines.paired.clusters import effective_items, group_of, share_groups
from quantgate.pipelines.paired.exact import (
    break_rate_bound,
    break_rate_p,
    detectable_break_rate,
    mcnemar_p,
    share_lower_bound,
)
from quantgate.pipelines.paired.interval import difference_lower_bound, paired_difference_interval
from quantgate.pipelines.paired.refusals import refusal_statistics
from quantgate.pipelines.paired.repeated import over_runs, single_runs
from quantgate.pipelines.paired.scores import mean_difference_limits

_REFERENCE_RIGHT = (PairOutcome.BOTH_RIGHT, PairOutcome.BROKE)
_VARIANT_RIGHT = (PairOutcome.BOTH_RIGHT, PairOutcome.FIXED)


def statistics(
    items: Sequence[PairedItem],
    *,
    confidence: float,
    max_break_rate: float,
    by_scores: bool = False,
) -> PairedStatistics:
    """Count outcomes and infer; see `PairedStatistics` for what each number means.

    Where the variant answered more than once, each run is counted by itself first. The delta, its interval
    and McNemar's p are over all items, unstable ones included. Bounds are one-sided at `confidence`,
    intervals two-sided at the same. `by_scores` asks for mean scores also where every grade is 0 or 1.

    Raises:
        InputError: where a rate or confidence is not strictly between 0 and 1.
    """
    _require_fraction("max_break_rate", max_break_rate)
    _require_fraction("confidence", confidence)
    answers = [
        each for item in items for each in (item.reference, item.variant, *item.variant_runs)
    ]
    by_scores = by_scores or any(each.grade.score not in (0.0, 1.0) for each in answers)
    runs = [
        _of_one_run(run, confidence, max_break_rate, by_scores=by_scores)
        for run in single_runs(items)
    ]
    if len(runs) == 1:
        return runs[0]
    return over_runs(runs, unstable=sum(not item.variant_stable for item in items))


def _of_one_run(
    items: Sequence[PairedItem], confidence: float, max_break_rate: float, *, by_scores: bool
) -> PairedStatistics:
    every = Counter([item.outcome for item in items])
    stable = Counter([item.outcome for item in items if item.stable])
    reliable, broke = (
        sum(stable[outcome] for outcome in _REFERENCE_RIGHT),
        stable[PairOutcome.BROKE],
    )
    right = sum(every[outcome] for outcome in _VARIANT_RIGHT)
    clusters = _clusters(items)
    effective = clusters.effective_reliable if clusters else None
    whole = clusters.effective_items if clusters else None
    delta, interval, lower_bound = _delta(items, every, confidence, whole)
    return PairedStatistics(
        items=len(items),
        reference_right=sum(every[outcome] for outcome in _REFERENCE_RIGHT),
        variant_right=right,
        unstable=sum(not item.stable for item in items),
        reliable=reliable,
        broke=broke,
        fixed=stable[PairOutcome.FIXED],
        changed_wrong=every[PairOutcome.BOTH_WRONG_DIFFERENT],
        delta=delta,
        delta_interval=interval,
        break_rate_bound=break_rate_bound(broke, reliable, confidence, effective),
        mcnemar_p=_mcnemar(items, every, clusters),
        detectable_break_rate=detectable_break_rate(
            reliable if effective is None else int(effective), max_break_rate, confidence
        ),
        break_rate_p=break_rate_p(broke, reliable, max_break_rate, effective),
        delta_lower_bound=lower_bound,
        accuracy_lower_bound=share_lower_bound(right, len(items), confidence, whole),
        reference_tokens=sum([_tokens(item.reference) for item in items]),
        variant_tokens=sum([_tokens(item.variant) for item in items]),
        clusters=clusters,
        scores=_scores(items, confidence, by_scores=by_scores),
        refusals=refusal_statistics(items, confidence),
        broke_ways=broke_ways(items),
        reference_thought_tokens=sum([item.reference.thought_tokens for item in items]),
        variant_thought_tokens=sum([item.variant.thought_tokens for item in items]),
        lost_groups=len({group_of(i) for i in items if i.outcome is PairOutcome.BROKE}),
        wrong_groups=len({group_of(i) for i in items if i.outcome not in _VARIANT_RIGHT}),
    )


def broke_ways(items: Sequence[PairedItem]) -> tuple[WayCount, ...]:
    """Count how items that broke are wrong; see `counted_ways`."""
    broke = [item for item in items if item.stable and item.outcome is PairOutcome.BROKE]
    return counted_ways([item.variant.grade for item in broke])


def counted_ways(grades: Sequence[Grade]) -> tuple[WayCount, ...]:
    """Count how wrong grades are wrong, the most frequent way first; silent ones are left out."""
    ways = Counter([grade.way for grade in grades if grade.way and not grade.correct])
    return tuple(WayCount(way=way, count=count) for way, count in ways.most_common())


def _require_fraction(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise InputError(
            f"{name} is {value}, and has to be between 0 and 1",
            where="policy",
            next_step="mark a slice critical where no break at all is tolerable",
        )


def _clusters(items: Sequence[PairedItem]) -> Clusters | None:
    if not share_groups(items):
        return None
    return Clusters(
        groups=len({group_of(item) for item in items}),
        effective_items=effective_items(group_of(item) for item in items),
        effective_reliable=effective_items(
            group_of(item) for item in items if item.stable and item.outcome in _REFERENCE_RIGHT
        ),
        broke_groups=len(
            {group_of(i) for i in items if i.stable and i.outcome is PairOutcome.BROKE}
        ),
    )


def _delta(
    items: Sequence[PairedItem],
    outcomes: Counter[PairOutcome],
    confidence: float,
    effective: float | None,
) -> tuple[float, Interval, float]:
    """Return variant minus reference accuracy, its interval and its one-sided lower bound."""
    gained, lost = float(outcomes[PairOutcome.FIXED]), float(outcomes[PairOutcome.BROKE])
    count = float(len(items))
    delta = (gained - lost) / count if items else 0.0
    if effective is not None:
        share = effective / count
        gained, lost, count = gained * share, lost * share, effective
    return (
        delta,
        paired_difference_interval(gained=gained, lost=lost, items=count, confidence=confidence),
        difference_lower_bound(gained=gained, lost=lost, items=count, confidence=confidence),
    )


def _mcnemar(
    items: Sequence[PairedItem], outcomes: Counter[PairOutcome], clusters: Clusters | None
) -> float:
    """Return McNemar's p; with groups, of those that lost more than they gained against the others."""
    if clusters is None:
        return mcnemar_p(outcomes[PairOutcome.BROKE], outcomes[PairOutcome.FIXED])
    balance: Counter[tuple[bool, str]] = Counter()
    for item in items:
        if item.outcome is PairOutcome.FIXED:
            balance[group_of(item)] += 1
        elif item.outcome is PairOutcome.BROKE:
            balance[group_of(item)] -= 1
    changes = balance.values()
    return mcnemar_p(sum(change < 0 for change in changes), sum(change > 0 for change in changes))


def _tokens(graded: GradedAnswer) -> int:
    if graded.samples:
        return sum(sample.answer.length_tokens for sample in graded.samples)
    return graded.answer.length_tokens


def _scores(
    items: Sequence[PairedItem], confidence: float, *, by_scores: bool
) -> ScoreStatistics | None:
    reference = [item.reference.grade.score for item in items]
    variant = [item.variant.grade.score for item in items]
    if not items or not (by_scores or {*reference, *variant} - {0.0, 1.0}):
        return None
    differences = [after - before for before, after in zip(reference, variant, strict=True)]
    groups = [group_of(item) for item in items]
    limits = mean_difference_limits(differences, groups, confidence=confidence)
    by_group: dict[tuple[bool, str], list[float]] = {}
    for group, difference in zip(groups, differences, strict=True):
        by_group.setdefault(group, []).append(difference)
    return ScoreStatistics(
        reference_mean=sum(reference) / len(items),
        variant_mean=sum(variant) / len(items),
        delta=sum(differences) / len(items),
        delta_interval=limits.interval,
        delta_lower_bound=limits.lower_bound,
        lost_groups=sum(fsum(changes) < 0 for changes in by_group.values()),
    )
