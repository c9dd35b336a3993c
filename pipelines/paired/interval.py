"""A confidence interval for the difference of two accuracies on the same items.

Tango, "Equivalence test and confidence interval for the difference in proportions for the
paired-sample design", Statistics in Medicine 17, 891-908 (1998): the set of differences that the
score test does not reject. Unlike Wald's it keeps its coverage on few items and few flips, never
leaves [-1, 1], and has a width where no item flips. Recommended with Newcombe's in Fagerland,
Lydersen & Laake, Statistics in Medicine 33, 2850-2875 (2014).
"""

from math import sqrt

from pipelines.domain.verdict import Interval

_TOLERANCE = 1e-10


def paired_difference_interval(
    *, gained: int, lost: int, items: int, confidence: float
) -> Interval:
    """Return the two-sided interval of the true difference, estimated by (gained - lost) / items.

    Without items nothing is known: [-1, 1].
    """
    if items == 0:
        return Interval(low=-1.0, high=1.0)
    from scipy.optimize import brentq
    from scipy.special import ndtri

    z = float(ndtri((1.0 + confidence) / 2.0))
    estimate = (gained - lost) / items

    def excess(difference: float) -> float:
        return _score(difference, gained=gained, lost=lost, items=items) ** 2 - z**2

    low, high = -1.0, 1.0
    if estimate > -1.0:
        low = brentq(excess, -1.0 + _TOLERANCE, estimate, xtol=_TOLERANCE)
    if estimate < 1.0:
        high = brentq(excess, estimate, 1.0 - _TOLERANCE, xtol=_TOLERANCE)
    return Interval(low=float(low), high=float(high))


def _score(difference: float, *, gained: int, lost: int, items: int) -> float:
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
