"""Limits of a mean difference of scores between 0 and 1 on the same items, by a paired bootstrap.

The bootstrap is Rubin's ("The Bayesian bootstrap", Annals of Statistics 9, 1981): resampled means weigh the
items' differences by Dirichlet weights instead of drawing items. A plain one is certain where nothing
changed: five items without a difference would prove that there is none. So one more unit that was not seen,
the worst one possible, is weighed with the seen ones (Learned-Miller & Thomas, "A new confidence interval for
the mean of a bounded random variable", 2020). For differences of 0 and -1 the limit is then Clopper and
Pearson's. Items of one group are weighed together, and the unseen unit is as large as an average group.

Weights depend on nothing but how many units there are, so that one better score never lowers a limit, and
the same answers always have the same limits.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

from quantgate.pipelines.domain.verdicts.verdict import Interval

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Numbers = NDArray[numpy.floating[Any]] | NDArray[numpy.integer[Any]]

_SEED = 20
_MOST_WEIGHTS = 2_000_000
_MOST_DRAWS, _FEWEST_DRAWS = 10_000, 1000
_BLOCK_WEIGHTS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanLimits:
    """Limits of a mean difference: a two-sided interval, and a one-sided lower bound."""

    interval: Interval
    lower_bound: float


def mean_difference_limits(
    differences: Sequence[float], groups: Sequence[Hashable], *, confidence: float
) -> MeanLimits:
    """Return limits for the mean of `differences` (each from -1 to 1), with each item's group.

    Without items nothing is known: from -1 to 1.
    """
    if not differences:
        return MeanLimits(interval=Interval(low=-1.0, high=1.0), lower_bound=-1.0)
    import numpy

    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    unit = [numbers[group] for group in groups]
    sums = numpy.bincount(unit, weights=differences)
    low, high, lower_bound = limits_of_many(
        sums[:, None], numpy.bincount(unit), confidence=confidence
    )
    return MeanLimits(
        interval=Interval(low=float(low[0]), high=float(high[0])),
        lower_bound=float(lower_bound[0]),
    )


def limits_of_many(
    sums: "Numbers", sizes: "Numbers", *, confidence: float
) -> "tuple[Numbers, Numbers, Numbers]":
    """Return the interval's ends and the lower bound of many samples at once.

    `sums` (units x samples) holds each unit's sum of differences, `sizes` (units) how many items it has.
    """
    import numpy

    low, high = _resampled_means(sums, sizes)
    tail = 1.0 - confidence
    outer, inner = _cautious(tail / 2, len(low)), _cautious(tail, len(low))
    low_end, lower_bound = numpy.quantile(low, (outer, inner), axis=0, method="lower")
    high_end = numpy.quantile(high, 1.0 - outer, axis=0, method="higher")
    return low_end, high_end, lower_bound


def _cautious(tail: float, draws: int) -> float:
    """Return a tail smaller by two standard errors of resampling: few draws never make a limit tighter."""
    return max(0.0, tail - 2.0 * sqrt(tail * (1.0 - tail) / draws))


def _resampled_means(sums: "Numbers", sizes: "Numbers") -> "tuple[Numbers, Numbers]":
    """Return means (draws x samples) with the unseen unit at its worst, and at its best."""
    import numpy

    units, samples = sums.shape
    draws = max(_FEWEST_DRAWS, min(_MOST_DRAWS, _MOST_WEIGHTS // units))
    step = max(1, _BLOCK_WEIGHTS // (units + 1))
    random = numpy.random.default_rng(_SEED)
    low, high = numpy.empty((draws, samples)), numpy.empty((draws, samples))
    columns = numpy.column_stack((sums, sizes)).astype(numpy.float32)
    for start in range(0, draws, step):
        stop = min(start + step, draws)
        weights = random.standard_exponential((stop - start, units + 1), dtype=numpy.float32)
        unseen = weights[:, units, None] * sizes.mean()
        resampled = weights[:, :units] @ columns
        seen, size = resampled[:, :-1], resampled[:, -1:] + unseen
        low[start:stop], high[start:stop] = (seen - unseen) / size, (seen + unseen) / size
    return low, high
