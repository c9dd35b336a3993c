"""A confidence interval for the difference of two accuracies on the same items.

Tango, "Equivalence test and confidence interval for the difference in proportions for the
paired-sample design", Statistics in Medicine 17, 891-908 (1998): the set of differences that the
score test does not reject. Unlike Wald's it keeps its coverage on few items and few flips, never
leaves [-1, 1], and has a width where no item flips. Recommended with Newcombe's in Fagerland,
Lydersen & Laake, Statistics in Medicine 33, 2850-2875 (2014).

Counts need not be whole: those of items that share groups come scaled (`pipelines.paired.clusters`).
"""

from functools import lru_cache
from math import sqrt

from quantgate.pipelines.domain.verdicts.verdict import Interval

_TOLERANCE = 1e-10
_REMEMBERED = 1 << 16


def paired_difference_interval(
    *, gained: float, lost: float, items: float, confidence: float
) -> Interval:
    """Return the two-sided interval of the true difference, estimated by (gained - lost) / items.

    Without items nothing is known: [-1, 1].
    """
    tail = (1.0 - confidence) / 2.0
    return Interval(
        low=_low(gained, lost, items, tail),
        high=-_low(lost, gained, items, tail),
    )


def difference_lower_bound(*, gained: float, lost: float, items: float, confidence: float) -> float:
    """Return the one-sided lower bound of the true difference; -1 without items.

    It grows with what is gained and falls with what is lost (the score statistic meets Barnard's
    convexity condition: Sidik, Statistics in Medicine 22, 265-278, 2003).
    """
    return _low(gained, lost, items, 1.0 - confidence)


@lru_cache(maxsize=_REMEMBERED)
def _low(gained: float, lost: float, items: float, tail: float) -> float:
    estimate = (gained - lost) / items if items else -1.0
    if estimate <= -1.0:
        return -1.0
    from scipy.optimize import brentq
    from scipy.special import ndtri

    z = max(0.0, -float(ndtri(tail)))

    def excess(difference: float) -> float:
        return _score(difference, gained=gained, lost=lost, items=items) - z

    low = -1.0 + _TOLERANCE
    if excess(low) <= 0.0:  # an estimate so near to -1 that nothing is rejected
        return -1.0
    return float(brentq(excess, low, estimate, xtol=_TOLERANCE))


def _score(difference: float, *, gained: float, lost: float, items: float) -> float:
    """Return Tango's statistic at a hypothetical difference; `lost_rate` is the constrained MLE."""
    linear = -gained - lost + (2 * items - gained + lost) * difference
    constant = -lost * difference * (1.0 - difference)
    root = sqrt(max(0.0, linear**2 - 8.0 * items * constant))
    lost_rate = (root - linear) / (4.0 * items)
    variance = items * (2.0 * lost_rate + difference * (1.0 - difference))
    numerator = gained - lost - items * difference
    if abs(numerator) < _TOLERANCE:
        return 0.0  # at the estimate itself, also where the variance vanishes with it
    return numerator / sqrt(max(variance, _TOLERANCE**2))
