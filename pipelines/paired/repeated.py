"""Statistics of a variant that answered the suite more than once.

A quantized model's near ties fall one way or the other with the shape of a batch, so that one run is one draw
of what it does. Rates are means over its runs: an item that breaks in one of three counts as a third of a
break. Their bounds are no binomial's, so that none is computed from the mean. Each run by itself has an exact
bound, and the least favourable of them is one as well, however much the runs hang together: it is never
below the first run's, which holds with the confidence that is asked for.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from statistics import fmean

from quantgate.pipelines.domain.verdicts.verdict import (
    Interval,
    PairedItem,
    PairedStatistics,
    RefusalStatistics,
    ScoreStatistics,
    VariantRuns,
)
from quantgate.pipelines.paired.pairing import outcome_of


def single_runs(items: Sequence[PairedItem]) -> tuple[Sequence[PairedItem], ...]:
    """Return the items as each run of the variant answered them, in the order of the runs."""
    count = len(items[0].variant_runs) if items else 0
    if not count:
        return (items,)
    return tuple(
        tuple(
            replace(
                item,
                variant=item.variant_runs[number],
                outcome=outcome_of(item.reference, item.variant_runs[number]),
            )
            for item in items
        )
        for number in range(count)
    )


def over_runs(runs: Sequence[PairedStatistics], *, unstable: int) -> PairedStatistics:
    """Return what the statistics of a variant's runs, at least two, come to; see `PairedStatistics`.

    `unstable` counts the items on which the variant disagrees with itself.
    """
    most_broke = max(runs, key=lambda counted: counted.broke)
    clusters = most_broke.clusters
    if clusters is not None:
        apart = max(counted.clusters.broke_groups for counted in runs if counted.clusters)
        clusters = replace(clusters, broke_groups=apart)
    return replace(
        most_broke,
        delta=fmean(counted.delta for counted in runs),
        delta_interval=Interval(
            low=min(counted.delta_interval.low for counted in runs),
            high=max(counted.delta_interval.high for counted in runs),
        ),
        mcnemar_p=max(counted.mcnemar_p for counted in runs),
        break_rate_bound=max(counted.break_rate_bound for counted in runs),
        break_rate_p=max(counted.break_rate_p for counted in runs),
        delta_lower_bound=min(counted.delta_lower_bound for counted in runs),
        accuracy_lower_bound=min(counted.accuracy_lower_bound for counted in runs),
        variant_tokens=_mean_tokens([counted.variant_tokens for counted in runs]),
        variant_thought_tokens=_mean_tokens([counted.variant_thought_tokens for counted in runs]),
        clusters=clusters,
        scores=_scores([counted.scores for counted in runs if counted.scores]),
        refusals=_refusals([counted.refusals for counted in runs if counted.refusals]),
        lost_groups=max(counted.lost_groups for counted in runs),
        wrong_groups=max(counted.wrong_groups for counted in runs),
        runs=VariantRuns(
            broke=tuple(counted.broke for counted in runs),
            right=tuple(counted.variant_right for counted in runs),
            unstable=unstable,
        ),
    )


def _mean_tokens(tokens: Sequence[int]) -> int:
    return ceil(fmean(tokens))


def _scores(runs: Sequence[ScoreStatistics]) -> ScoreStatistics | None:
    if not runs:
        return None
    return replace(
        min(runs, key=lambda scores: scores.delta_lower_bound),
        variant_mean=fmean(scores.variant_mean for scores in runs),
        delta=fmean(scores.delta for scores in runs),
        delta_interval=Interval(
            low=min(scores.delta_interval.low for scores in runs),
            high=max(scores.delta_interval.high for scores in runs),
        ),
        lost_groups=max(scores.lost_groups for scores in runs),
    )


def _refusals(runs: Sequence[RefusalStatistics]) -> RefusalStatistics | None:
    if not runs:
        return None
    return replace(
        max(runs, key=lambda refusals: refusals.increase_upper_bound),
        increase=fmean(refusals.increase for refusals in runs),
        more_groups=max(refusals.more_groups for refusals in runs),
    )
